"""Google Cloud Storage with its emulator behind a front end that requires tokens, and the service that issues them."""
import sys
from urllib.parse import quote

from cloud import Answer, Cloud, ask, content, expect, run, wait_for

EMULATOR_PORT = 9023
PUBLIC = "open-bucket"
PRIVATE = "closed-bucket"
OBJECTS = {"dir/hello": b"hello gs", "a b//c+ä?#%2F": b"odd", "large": content(3_000_000, 5)}
ACCOUNT = "/computeMetadata/v1/instance/service-accounts/default/"
SCOPE = "https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fdevstorage.read_only"

cloud = Cloud()


def seed():
    for bucket in (PUBLIC, PRIVATE):
        body = f'{{"name": "{bucket}"}}'.encode()
        expect(ask(EMULATOR_PORT, "POST", "/storage/v1/b?project=p", body, {"Content-Type": "application/json"}), 200)
        for name, data in OBJECTS.items():
            path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}"
            expect(ask(EMULATOR_PORT, "POST", path, data, {"Content-Type": "application/octet-stream"}), 200)


def front(request):
    if request.headers["Host"] != "storage.googleapis.com":
        return Answer(421, "not here")
    token = request.headers.get("Authorization")
    if token is not None and token.removeprefix("Bearer ") not in cloud.tokens:
        return Answer.of_json({"error": {"code": 401, "message": "Invalid Credentials"}}, 401)
    if token is None and f"/b/{PRIVATE}/" in request.path:
        return Answer.of_json({"error": {"code": 401, "message": "Anonymous caller"}}, 401)
    segments = request.path.split("?")[0].split("/")
    if len(segments) != 7 or not request.path.endswith("?alt=media"):
        return Answer(400, "not one object")
    wanted = {name: request.headers[name] for name in ("Range", "If-Range") if name in request.headers}
    return ask(EMULATOR_PORT, request.command, request.path, None, wanted)


def metadata(request):
    own = [("Metadata-Flavor", "Google")]
    if cloud.get("flavor") == "none":
        return Answer(404)
    if request.path == "/":
        return Answer(200, "computeMetadata/\n", own)
    if request.headers.get("Metadata-Flavor") != "Google":
        return Answer(403, "Missing Metadata-Flavor:Google header", own)
    if cloud.take("metadata_faults"):
        return Answer(503)
    if cloud.get("account") == "none":
        return Answer(404, "", own)
    if request.path == f"{ACCOUNT}scopes":
        return Answer(200, "https://www.googleapis.com/auth/devstorage.read_only\n", own)
    if request.path == f"{ACCOUNT}token?scopes={SCOPE}":
        if "document" in cloud.state:
            return Answer(cloud.get("status", 200), cloud.get("document"), own)
        return Answer.of_json({"access_token": cloud.new_token(), "token_type": "Bearer",
                               "expires_in": cloud.get("expires_in", 3599)})
    return Answer(404, "", own)


if __name__ == "__main__":
    wait_for(EMULATOR_PORT)
    seed()
    run(cloud, metadata, front, sys.argv[1:3])
