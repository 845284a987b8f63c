"""The ladder: configuration sets that trade on paper all the time and earn, keep or lose the right to more.

Called by the strategy tick, backtests and the study. `build_ladder` prepares the rules, `warm_start` or
`from_snapshot` gives the state, `advance` steps over closed candles, `mirrored` says what the exchange gets.
"""

from chalicelib.domain.ladder.kernel import Advanced as Advanced
from chalicelib.domain.ladder.kernel import advance as advance
from chalicelib.domain.ladder.kernel import warm_start as warm_start
from chalicelib.domain.ladder.levels import CAUSES as CAUSES
from chalicelib.domain.ladder.levels import LevelChange as LevelChange
from chalicelib.domain.ladder.levels import LevelChanges as LevelChanges
from chalicelib.domain.ladder.levels import Mirrored as Mirrored
from chalicelib.domain.ladder.levels import level_changes as level_changes
from chalicelib.domain.ladder.levels import mirrored as mirrored
from chalicelib.domain.ladder.levels import reaches as reaches
from chalicelib.domain.ladder.luck import deflated_sharpe as deflated_sharpe
from chalicelib.domain.ladder.luck import expected_highest as expected_highest
from chalicelib.domain.ladder.returns import net_return as net_return
from chalicelib.domain.ladder.rules import LEVEL_RULES as LEVEL_RULES
from chalicelib.domain.ladder.rules import RULE_VERSION as RULE_VERSION
from chalicelib.domain.ladder.rules import Ladder as Ladder
from chalicelib.domain.ladder.rules import LevelRules as LevelRules
from chalicelib.domain.ladder.rules import Terms as Terms
from chalicelib.domain.ladder.rules import Threshold as Threshold
from chalicelib.domain.ladder.rules import build_ladder as build_ladder
from chalicelib.domain.ladder.rules import level_rules as level_rules
from chalicelib.domain.ladder.rules import terms_of as terms_of
from chalicelib.domain.ladder.sets import ConfigurationSets as ConfigurationSets
from chalicelib.domain.ladder.sets import configuration_sets as configuration_sets
from chalicelib.domain.ladder.sets import grid_sets as grid_sets
from chalicelib.domain.ladder.sets import preset_profiles as preset_profiles
from chalicelib.domain.ladder.sets import preset_sets as preset_sets
from chalicelib.domain.ladder.snapshot import from_arrays as from_arrays
from chalicelib.domain.ladder.snapshot import from_snapshot as from_snapshot
from chalicelib.domain.ladder.snapshot import to_arrays as to_arrays
from chalicelib.domain.ladder.snapshot import to_snapshot as to_snapshot
from chalicelib.domain.ladder.state import BASE as BASE
from chalicelib.domain.ladder.state import LEVELS as LEVELS
from chalicelib.domain.ladder.state import MAIN as MAIN
from chalicelib.domain.ladder.state import REAL as REAL
from chalicelib.domain.ladder.state import LadderState as LadderState
from chalicelib.domain.ladder.state import counts_by_level as counts_by_level
from chalicelib.domain.ladder.state import empty_state as empty_state
from chalicelib.domain.ladder.statistics import Statistics as Statistics
from chalicelib.domain.ladder.statistics import statistics as statistics
from chalicelib.domain.ladder.trades import Entries as Entries
from chalicelib.domain.ladder.trades import Trades as Trades
from chalicelib.domain.ladder.walk import EXIT_REASONS as EXIT_REASONS
