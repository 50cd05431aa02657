"""A student, as the course knows them: pure."""

from xenlab.outcomes import Model


class Member(Model):
    """One student of a team, as the course knows them.

    `id` is the student's number (Moodle's "ID number", Canvas's "SIS User ID"), `login` Canvas's "SIS Login ID",
    `canvas_id` its own "ID".
    """

    student: str = ""
    email: str = ""
    id: str = ""
    login: str = ""
    canvas_id: str = ""
    section: str = ""
