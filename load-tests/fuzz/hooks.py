"""What schemathesis has to know of this API. Two of its checks are wrapped, so that what JSON Schema cannot say is not
taken for a fault; everything else that they find stays one."""

import json
import os
import re

import schemathesis
from schemathesis.specs.openapi.checks import (
    AcceptedNegativeData,
    RejectedPositiveData,
    negative_data_rejection,
    positive_data_acceptance,
)

# Refusals of a request that fits its schema, by code.
STATE = {
    "invalid-cursor",  # A cursor is encrypted: none can be made up.
    "version-not-reached",  # Whether a version is there already, no schema knows.
    "idempotency-key-reused",  # The same key came before, with another body.
    "not-acceptable",  # Any text fits `Accept`; few of them name a type that there is.
    "upgrade-required",  # A WebSocket, which schemathesis does not speak.
}

# Rules that JSON Schema has no words for, by pointer and the beginning of the detail.
RULES = [
    ("/end_time", "must be after start_time"),
    ("/sales_close_at", "must be after sales_open_at"),
    ("/start_time", "must lie between the years"),
    ("/end_time", "must lie between the years"),
    ("/sales_open_at", "must lie between the years"),
    ("/sales_close_at", "must lie between the years"),
    ("/from", "must lie between the years"),
    ("/to", "must lie between the years"),
    # Its size in bytes, its depth, NUL and lone surrogates at any depth.
    ("/metadata", "is larger than"),
    ("/metadata", "is nested deeper than"),
    ("/metadata", "contains "),
    # Of a query parameter together with a header.
    ("/limit", "is of pages"),
    ("/cursor", "is of pages"),
    # What is asked for one slot counts together.
    ("/quantity", "together with"),
    # Python's generator knows fewer of the characters that `\\P{C}` leaves out.
    ("/user_id", "must be 1 to 128 printable characters"),
    ("/name", "must be 1 to 200 printable characters"),
]


def is_rule(error: dict) -> bool:
    pointer, detail = error.get("pointer", ""), error.get("detail", "")
    return any(pointer.endswith(end) and detail.startswith(start) for end, start in RULES)


def sent(case) -> str:
    return json.dumps(case.body) if isinstance(case.body, (dict, list)) else ""


@schemathesis.check
def valid_request_accepted(ctx, response, case):
    try:
        return positive_data_acceptance(ctx, response, case)
    except RejectedPositiveData:
        problem = response.json()
        errors = problem.get("errors", [])
        by_rule = problem["code"] == "invalid-request" and len(errors) > 0 and all(map(is_rule, errors))
        # Keys that could change prototypes are refused wherever they are; no schema can say that of free metadata.
        by_key = problem["code"] == "malformed-json" and any(key in sent(case) for key in ("__proto__", "constructor"))
        if problem["code"] in STATE or by_rule or by_key:
            return None
        raise


@schemathesis.check
def invalid_request_refused(ctx, response, case):
    try:
        return negative_data_rejection(ctx, response, case)
    except AcceptedNegativeData:
        # The batch itself is taken, and what is wrong is refused in its place.
        items = response.json().get("items", []) if case.operation.path == "/reservations/batch" else []
        if any("error" in item for item in items):
            return None
        raise


UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"(19[789]\d|[2-9]\d{3})-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def is_text(value, pattern) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def name_known_slot(thing) -> None:
    if isinstance(thing, dict) and is_text(thing.get("slot_id"), UUID):
        thing["slot_id"] = os.environ["FUZZ_SLOT"]


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """Makes what is well-formed lead somewhere. Otherwise nearly all requests would be refused because there is no such
    slot, or because it ends before it starts, whatever else is wrong with them: a fault of the checks behind would not show.
    What is not well-formed stays as it is."""
    if case.meta is None:
        return
    if case.meta.phase.name.name == "STATEFUL":
        # A command that is not decided yet cannot be followed up: its decision is waited for.
        if case.method != "GET":
            case.headers["Prefer"] = "wait=20"
        return
    body, path = case.body, case.operation.path
    if isinstance(body, dict):
        if path == "/slots":
            if is_text(body.get("start_time"), TIME) and is_text(body.get("end_time"), TIME):
                body["start_time"], body["end_time"] = "2030-01-01T10:00:00Z", "2030-01-01T12:00:00Z"
            for name in ("sales_open_at", "sales_close_at"):
                if is_text(body.get(name), TIME):
                    del body[name]
            # One that was used is taken, or refused for its other body.
            for name in ("id", "idempotency_key"):
                if is_text(body.get(name), UUID if name == "id" else re.compile(r"[\x20-\x7e]{1,255}")):
                    del body[name]
        name_known_slot(body)
        for item in body["items"] if isinstance(body.get("items"), list) else []:
            name_known_slot(item)
    parameters = case.path_parameters or {}
    if path.startswith("/slots/{id}") and is_text(parameters.get("id"), UUID):
        # Another one for changes: it may close.
        parameters["id"] = os.environ["FUZZ_CHANGED_SLOT" if case.method == "PATCH" else "FUZZ_SLOT"]
