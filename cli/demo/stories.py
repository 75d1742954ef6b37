"""The four stories of the demo, one for each way of claiming."""

import secrets
from typing import Final

from cli.demo.organisers import Office, Platform
from cli.demo.telling import EXAMPLES, Story, Teller
from cli.learner import Json


def _by_activity_code(teller: Teller) -> Json:
    """Flow A begins with a link that carries the activity code, and looks whether there is an account already."""
    learner, profile = teller.learner, teller.story.profile
    query = f"/v1/ce-activities?activity_code={teller.proof}"
    (found,) = teller.step(f"follows the link of activity {teller.proof}", lambda: learner.get(query))["data"]
    who = {"given_name": profile["given_name"], "family_name": profile["family_name"], "employee_id": "NA"}
    looked_up = teller.step("is looked up by name", lambda: learner.post("/v1/me/lookup", who))
    teller.say(f"  look-up: {looked_up['message']}")
    if looked_up["result"] == "account_found":
        teller.say("    That account is of the demo before. This learner is somebody else, and goes on.")
    required = learner.get(found["href"])["profile_fields"]
    teller.say(f"  required in the profile: {', '.join(required)}")
    teller.fill_in_profile()
    return teller.open_claim()


def _mail_certificate(teller: Teller, claim: Json) -> None:
    """The certificate is there at once; a link to view and print it later comes by e-mail."""
    path = f"{claim['href']}/certificate/link"
    teller.step("asks for the certificate's link by e-mail", lambda: teller.learner.post(path, {}))
    teller.await_mail(lambda message: message["subject"].startswith("Your certificate:"))


def _by_watching(teller: Teller) -> Json:
    """Flow B begins on the platform: the first minutes that it reports open the claim."""
    teller.fill_in_profile()
    platform = teller.platform = Platform(teller.stack, teller.email, teller.story.ce_activity)
    content, minutes = teller.story.watched[0][0], 5
    teller.step(f"reports {minutes} minutes", lambda: platform.report(content, [0, 60 * minutes]), "The platform")
    (claim,) = teller.step(
        f"finds it in progress: {teller.policy.provider.acronym} in my profile",
        lambda: teller.learner.wait_for("/v1/claims?group=in_progress", lambda page: page["data"])["data"],
    )
    for item in claim["content"]["items"]:
        teller.say(f"    {item['minutes']:>3} min  {item['title']}")
    return dict(claim)


def _on_the_course_page(teller: Teller) -> Json:
    """Flow C begins at the post-test section of the course's page."""
    teller.fill_in_profile()
    return teller.open_claim()


def _with_a_badge(teller: Teller) -> Json:
    """Flow D begins in the office, which loads the badges that were printed, with one for this learner."""
    profile, ce_activity = teller.story.profile, teller.story.ce_activity
    teller.proof = f"GL26-{secrets.randbelow(900_000) + 100_000}"
    row = (teller.proof, profile["given_name"], profile["family_name"], profile["credentials"], teller.email)
    roster = (EXAMPLES / "rosters" / "annual-meeting-badges.csv").read_text() + ",".join(row) + "\n"
    with Office.opened(teller.stack, f"office.{teller.stamp}@society.example") as office:
        who = "The office"
        preview = teller.step("uploads the badges", lambda: office.preview_roster(ce_activity, roster.encode()), who)
        counts = {outcome: number for outcome, number in preview["counts"].items() if number}
        teller.say(f"  preview: {', '.join(f'{number} {outcome}' for outcome, number in counts.items())}")
        teller.step("applies them", lambda: office.apply_roster(preview), who)
    teller.fill_in_profile()
    listed = "/v1/ce-activities?event_type=live_meeting"
    found = teller.step("looks at the live meetings", lambda: teller.learner.get(listed))["data"]
    teller.say(f"  available: {'; '.join(each['title'] for each in found)}")
    return teller.open_claim()


STORIES: Final = {
    "a": Story(
        ce_activity="rush-style-continuing-pharmacy-education",
        profile={
            "given_name": "Priya",
            "family_name": "Nair",
            "credentials": "PharmD",
            "profession": "pharmacist",
            "identifiers": {"employee_id": "NA", "nabp_eprofile_id": "483920", "birth_month_day": "07-04"},
        },
        opening=_by_activity_code,
        ending=_mail_certificate,
        proof="485327",
        units="0.75",
        comment="I will check the kidney function before I choose a dose.",
    ),
    "b": Story(
        ce_activity="wound-care-online-conference",
        profile={"given_name": "Tomas", "family_name": "Rivera", "credentials": "RN", "profession": "nurse"},
        opening=_by_watching,
        watched=(("opening", 45), ("pressure", 40), ("venous", 35)),
        comment="I will ask which compression the patient can keep wearing.",
    ),
    "c": Story(
        ce_activity="managing-hypertension-in-primary-care",
        profile={"given_name": "Alice", "family_name": "Moreau", "credentials": "MD", "profession": "physician"},
        opening=_on_the_course_page,
        comment="I will measure at home before I treat.",
    ),
    "d": Story(
        ce_activity="annual-meeting-clinical-microbiology-2026",
        profile={"given_name": "Ingrid", "family_name": "Solberg", "credentials": "MD", "profession": "physician"},
        opening=_with_a_badge,
        sessions=(
            ("thu-opening", "1.00"),
            ("thu-a1", "1.00"),
            # A workshop at the same time.
            ("thu-c1", "2.25"),
            ("thu-a3", "1.50"),
            ("fri-plenary", "0.75"),
            ("sat-closing", "1.25"),
        ),
    ),
}
"""By the letter of the flow that each one tells."""
