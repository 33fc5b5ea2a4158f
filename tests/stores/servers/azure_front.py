"""Azure Blob Storage with Azurite behind a front end, and the service that gives a machine tokens for its identity.
Azurite itself checks the tokens, which is why it must be reached over TLS."""
import base64
import datetime
import json
import ssl
import sys
import time
import uuid

from azure.storage.blob import BlobSasPermissions, BlobServiceClient, generate_blob_sas
from cloud import Answer, Cloud, ask, content, run, wait_for

AZURITE_PORT = 10000
ACCOUNT = "acct"
KEY = base64.b64encode(b"k" * 64).decode()
HOST = f"{ACCOUNT}.blob.core.windows.net"
TOKEN = "/metadata/identity/oauth2/token"
QUERY = "?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com"

cloud = Cloud()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def seed():
    client = BlobServiceClient(f"https://127.0.0.1:{AZURITE_PORT}/{ACCOUNT}", connection_verify=False,
                               credential={"account_name": ACCOUNT, "account_key": KEY})
    for name, access in (("closed", None), ("open", "blob")):
        container = client.create_container(name, public_access=access)
        for blob, data in (("hello", b"hello azure"), ("dir/hello", b"nested"), ("large", content(3_000_000, 11))):
            container.upload_blob(blob, data)
    expiry = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    return generate_blob_sas(ACCOUNT, "closed", "hello", account_key=KEY,
                             permission=BlobSasPermissions(read=True), expiry=expiry)


def front(request):
    if request.headers["Host"] != HOST:
        return Answer(421, "not here")
    names = ("Authorization", "x-ms-version", "Range", "If-Match", "If-Range")
    wanted = {name: request.headers[name] for name in names if name in request.headers}
    if "Authorization" in wanted and cloud.get("denied"):
        return Answer.of_error(403, "AuthorizationPermissionMismatch", "This request is not authorized.")
    return ask(AZURITE_PORT, request.command, request.path, None, {**wanted, "Host": HOST}, context)


def web_token():
    now = int(time.time())
    claims = {"aud": cloud.get("audience", "https://storage.azure.com"), "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
              "iat": now, "nbf": now, "exp": now + 3600, "ver": "1.0", "jti": uuid.uuid4().hex}
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims)] + [b"signature"]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def metadata(request):
    if cloud.get("service") == "none":
        return Answer(404)
    if request.headers.get("Metadata") != "true":
        return Answer.of_json({"error": "invalid_request"}, 400)
    fault = cloud.take("metadata_faults")
    if fault:
        return Answer(fault)
    if cloud.get("identity") == "none":
        return Answer.of_json({"error": "invalid_request", "error_description": "Identity not found"}, 400)
    if request.path != TOKEN + QUERY:
        return Answer(400, "another question")
    return Answer.of_json({"access_token": web_token(), "expires_in": "86399", "token_type": "Bearer",
                           "resource": "https://storage.azure.com"})


if __name__ == "__main__":
    wait_for(AZURITE_PORT)
    signature = seed()

    def with_signature(request):
        if request.path == "/signature":
            return Answer(200, signature)
        return metadata(request)

    run(cloud, with_signature, front, sys.argv[1:3])
