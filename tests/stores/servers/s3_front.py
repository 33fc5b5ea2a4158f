"""Amazon S3 with moto behind a front end that checks signatures with Amazon's own code, and the service that gives an
instance the credentials of its role."""
import datetime
import re
import sys
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cloud import Answer, Cloud, ask, content, expect, run, wait_for

MOTO_PORT = 5000
BUCKETS = {"public-west": "eu-west-1", "private-west": "eu-west-1", "with.dots": "eu-central-1",
           "versions": "us-east-1", "china": "cn-north-1"}
PUBLIC = {"public-west", "with.dots", "china"}
ACCESS_POINTS = {("ap1", "111122223333"): "private-west"}
SUFFIX = r"\.amazonaws\.com(?:\.cn)?$"
BUCKET_HOST = re.compile(r"^(?:(?P<bucket>[a-z0-9-]+)\.)?s3(?P<dual>\.dualstack)?\.(?P<region>[a-z0-9-]+)" + SUFFIX)
POINT_HOST = re.compile(r"^(?P<name>[a-z0-9-]+)-(?P<account>\d+)\.s3-accesspoint\.dualstack\.(?P<region>[a-z0-9-]+)" + SUFFIX)
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
ROLE = "first-boot"
SECRET = "s3cr3t/key+of/role"
SESSION_TOKEN = "t0ken/of+role=="
IMDS = "/latest/meta-data/iam/security-credentials/"

cloud = Cloud()


def moto(method, path, body=None, headers=(), region="us-east-1"):
    """Sends a request to moto, which gives owners more rights but does not authenticate them: that is done here."""
    scope = f"AWS4-HMAC-SHA256 Credential=x/20260101/{region}/s3/aws4_request, SignedHeaders=host, Signature=x"
    return ask(MOTO_PORT, method, path, body, {**dict(headers), "Authorization": scope})


def seed():
    for bucket, region in BUCKETS.items():
        body = None
        if region != "us-east-1":
            body = (f"<CreateBucketConfiguration {NAMESPACE}><LocationConstraint>{region}</LocationConstraint>"
                    "</CreateBucketConfiguration>").encode()
        expect(moto("PUT", f"/{bucket}", body, region=region), 200)
        for path, data in {"dir/hello": b"hello " + bucket.encode(), "empty": b"", "large": content(6_000_000, 7),
                           "a%2F%2Fb%20%2B~%3D%26%C3%A4": b"odd"}.items():
            expect(moto("PUT", f"/{bucket}/{path.replace('%2F', '/')}", data), 200)
    enabled = f"<VersioningConfiguration {NAMESPACE}><Status>Enabled</Status></VersioningConfiguration>"
    expect(moto("PUT", "/versions?versioning", enabled.encode()), 200)
    first = expect(moto("PUT", "/versions/v", b"first"), 200)
    expect(moto("PUT", "/versions/v", b"second"), 200)
    return dict(first.headers)["x-amz-version-id"]


def signature_problem(request, region):
    """The error for a signed request; None if the signature is valid."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    pattern = (r"^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, "
               r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$")
    parts = re.match(pattern, headers["authorization"])
    if not parts:
        return Answer.of_error(400, "AuthorizationHeaderMalformed", headers["authorization"])
    key_id, day, scope_region, names, signature = parts.groups()
    if scope_region != region:
        return Answer.of_error(400, "AuthorizationHeaderMalformed", f"the region '{scope_region}' is wrong")
    names = names.split(";")
    unsigned = [name for name in headers if name.startswith("x-amz-") and name not in names]
    if unsigned or "host" not in names or names != sorted(names):
        return Answer.of_error(403, "AccessDenied", f"headers that are not signed: {unsigned}")
    if key_id != cloud.get("key_id", "AKIAROLE"):
        return Answer.of_error(403, "InvalidAccessKeyId", "no such key")
    if headers.get("x-amz-security-token") != SESSION_TOKEN:
        return Answer.of_error(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
    stamp = headers["x-amz-date"]
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=cloud.get("clock", 0))
    at = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    if abs((now - at).total_seconds()) > 900 or not stamp.startswith(day):
        return Answer.of_error(403, "RequestTimeTooSkewed", "The difference is too large.")
    url = f"https://{headers['host']}{request.path}"
    rebuilt = AWSRequest(request.command, url, headers={name: headers[name] for name in names})
    rebuilt.context["timestamp"] = stamp
    signer = S3SigV4Auth(Credentials(key_id, SECRET, SESSION_TOKEN), "s3", region)
    text = signer.string_to_sign(rebuilt, signer.canonical_request(rebuilt))
    if signer.signature(text, rebuilt) != signature:
        return Answer.of_error(403, "SignatureDoesNotMatch", f"expected for {request.path}")
    return None


def front(request):
    host = request.headers["Host"]
    target = urlsplit(request.path)
    query = f"?{target.query}" if target.query else ""
    point = POINT_HOST.match(host)
    at = point or BUCKET_HOST.match(host)
    if not at:
        return Answer(421, f"nobody is called {host}")
    if point:
        bucket = ACCESS_POINTS.get((at["name"], at["account"]))
        path = f"/{bucket}{target.path}"
    elif at["bucket"]:
        bucket, path = at["bucket"], f"/{at['bucket']}{target.path}"
    else:
        bucket, path = target.path.split("/")[1], target.path
    home = BUCKETS.get(bucket)
    if home is None:
        return Answer.of_error(404, "NoSuchBucket", "The specified bucket does not exist")
    region = [] if cloud.get("silent") else [("x-amz-bucket-region", cloud.get("region", home))]
    if at["region"] != home:
        return Answer.of_error(301, "PermanentRedirect", "elsewhere", region)
    if "Authorization" in request.headers:
        problem = signature_problem(request, home)
        if problem:
            return problem
        if cloud.get("denied"):
            return Answer.of_error(403, "AccessDenied", "Access Denied", region)
    elif bucket not in PUBLIC:
        return Answer.of_error(403, "AccessDenied", "Access Denied", region)
    if request.command == "GET" and not point and not at["dual"]:
        return Answer(421, "not dual-stack")
    wanted = {name: request.headers[name] for name in ("Range", "If-Match") if name in request.headers}
    answer = moto(request.command, path + query, None, wanted)
    if request.command == "HEAD":
        answer.headers += region
    # We must not rely on what a real store does with this header.
    if "If-Range" in request.headers:
        return Answer(400, "If-Range")
    etag = cloud.take("etags")
    if etag:
        if wanted.get("If-Match", etag) != etag:
            return Answer.of_error(412, "PreconditionFailed", "At least one of them did not hold")
        answer.headers = [(n, v) for n, v in answer.headers if n.lower() != "etag"] + [("ETag", etag)]
    return answer


def metadata(request):
    mode = cloud.get("imds", "v2")
    headers = request.headers
    if mode.startswith("status-"):
        return Answer(int(mode[7:]))
    if cloud.take("metadata_faults"):
        return Answer(503)
    if request.command == "PUT" and request.path == "/latest/api/token":
        if mode.startswith("no-v2-"):
            return Answer(int(mode[6:]))
        if not headers.get("X-aws-ec2-metadata-token-ttl-seconds"):
            return Answer(400)
        return Answer(200, cloud.new_token())
    token = headers.get("X-aws-ec2-metadata-token")
    if not mode.startswith("no-v2-") and token not in cloud.tokens:
        return Answer(401)
    if request.path == "/latest/dynamic/instance-identity/document":
        return Answer.of_json({"region": cloud.get("own_region", "eu-west-1"), "version": "2017-09-30"})
    if mode == "no-role":
        return Answer(404)
    if request.path == IMDS:
        return Answer(200, f"{ROLE}\nother")
    if request.path == IMDS + ROLE:
        if "document" in cloud.state:
            return Answer(200, cloud.get("document"))
        expiration = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=6)
        return Answer.of_json({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "AKIAROLE",
                               "SecretAccessKey": SECRET, "Token": SESSION_TOKEN,
                               "Expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ")})
    return Answer(404)


if __name__ == "__main__":
    wait_for(MOTO_PORT)
    version = seed()

    def with_version(request):
        if request.path == "/version":
            return Answer(200, version)
        return metadata(request)

    run(cloud, with_version, front, sys.argv[1:3])
