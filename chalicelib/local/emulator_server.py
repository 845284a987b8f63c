import asyncio, sys, json, time, socket
from io import BytesIO
from urllib.parse import unquote
from werkzeug.exceptions import HTTPException
from moto.core.request import Request as MotoRequest
from chalicelib.local.emulator_http import *
from chalicelib.local.emulator_clock import EmulatorClock
import moto.core.utils

clock = EmulatorClock(False)
moto.core.utils.utcnow = clock.utcnow
from moto.dynamodb.responses import DynamoHandler
from moto.dynamodbstreams.responses import DynamoDBStreamsHandler
from moto.sqs.responses import SQSResponse
from moto.kinesis.responses import KinesisResponse
from moto.s3.responses import S3Response
from chalicelib.local import emulator_queues

emulator_queues.install()


class R(MotoRequest):
    from_wsgi_server = True


def environ(r):
    path, _, q = r.target.partition("?")
    e = {
        "REQUEST_METHOD": r.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": q,
        "RAW_URI": r.target,
        "REQUEST_URI": r.target,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(r.body),
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "CONTENT_LENGTH": str(len(r.body)),
    }
    for k, v in r.headers.items():
        if k == "content-type":
            e["CONTENT_TYPE"] = v
        elif k != "content-length":
            e["HTTP_" + k.upper().replace("-", "_")] = v
    return e


def handle(r):
    auth = r.headers.get("authorization", "")
    svc = auth.split("/")[3]
    if svc == "dynamodb" and r.headers["x-amz-target"].startswith("DynamoDBStreams"):
        svc = "dynamodbstreams"
    m = R(environ(r))
    if svc == "s3":
        parts = r.target.partition("?")[0].strip("/").split("/", 1)
        f = S3Response.key_dispatch if len(parts) == 2 else S3Response.bucket_dispatch
    else:
        f = {
            "dynamodb": DynamoHandler,
            "dynamodbstreams": DynamoDBStreamsHandler,
            "sqs": SQSResponse,
            "kinesis": KinesisResponse,
        }[svc].dispatch
    try:
        status, h, b = f(m, m.raw_url, dict(m.headers))
    except HTTPException as x:
        w = x.get_response()
        status, h, b = w.status_code, dict(w.headers), w.get_data()
    if isinstance(b, str):
        b = b.encode()
    return Response(int(status), {k: str(v) for k, v in h.items()}, b or b"")


async def main(port):
    loop = asyncio.get_running_loop()
    s = await loop.create_server(lambda: HttpConnection(handle), "127.0.0.1", port)
    print("ready", flush=True)
    import os

    if os.environ.get("PROF"):
        import cProfile, signal

        p = cProfile.Profile()
        p.enable()
        stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()
        p.disable()
        p.dump_stats(os.environ["PROF"])
    else:
        await s.serve_forever()


asyncio.run(main(int(sys.argv[1])))
