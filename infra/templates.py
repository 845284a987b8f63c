"""Writes all templates of all stages without their code, for tools that read files: cfn-lint and checkov.

python -m infra.templates build/templates
"""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from chalicelib.errors import UsageError
from infra.sam import chalice_template, stages
from infra.stack import RESOURCES
from infra.template import Template, merge

REPOSITORY = Path(__file__).resolve().parents[1]


def functions_template(stage: str) -> Template:
    """Return the template of a stage's functions, as `make package` writes it."""
    return merge(stage, chalice_template(REPOSITORY, stage))


def write(folder: Path) -> tuple[Path, ...]:
    """Write the template of the resources and those of the functions; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [Path(shutil.copy(RESOURCES, folder))]
    for stage in stages(REPOSITORY):
        path = folder / f"functions-{stage}.json"
        path.write_text(json.dumps(functions_template(stage), indent=1) + "\n", encoding="utf-8")
        paths.append(path)
    return tuple(paths)


def main(arguments: Sequence[str]) -> int:
    """Write into the folder that is named; 2 without one, or if the app can't be packaged."""
    if len(arguments) != 1:
        print("usage: python -m infra.templates FOLDER", file=sys.stderr)
        return 2
    try:
        for path in write(Path(arguments[0])):
            print(path)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
