"""Root by sudo with a password: the command that asks for it, and the dialogue in which it is given.  Pure.

The password is sent only as the answer to sudo's own prompt, which carries a nonce, and the script only after a mark that the root shell
prints: so the password can never be read as script text, nor the script as a password.  It is read by sudo from the channel's
input: it stands in no argument, no variable of a shell, no file, and without a terminal nothing echoes it.  `-k` keeps sudo from
remembering it.  A second prompt means that the password is wrong: nothing more is sent, and the caller goes on without root.
"""

from __future__ import annotations

import re

SECONDS = 45.0
"""How long sudo may take to ask and to decide: PAM waits some seconds after a wrong password, and name services may be slow."""

REASONS = {
    "password": "sudo says that the password is wrong",
    "tty": "sudo wants a terminal (requiretty): the account is restricted; `Defaults:USER !requiretty` lifts that",
    "refused": "sudo does not allow it to this account",
    "none": "there is no sudo",
    "slow": f"sudo did not answer in {SECONDS:g} s",
    "old": "its sudo does not know the options that keep it from remembering a password",
    "ended": "sudo ended without an answer",
}
"""Why the dialogue did not lead to a root shell."""


class Dialogue:
    """One attempt.  Feed it what comes on standard error; it says what to send, and in the end whether there is a root shell."""

    def __init__(self, nonce: str, password: str) -> None:
        if not re.fullmatch("[0-9a-f]+", nonce):
            raise ValueError("the nonce stands in a command: hexadecimal digits only")
        self._prompt, self._go = f"@@{nonce}-password".encode(), f"@@{nonce}-root".encode()
        self._answer = password.encode() + b"\n"
        self._heard = b""
        self._prompts = 0
        self.root = False
        self.failed = ""
        ready = f"echo {self._go.decode()} >&2; exec"
        self.command = (
            'sh -c \'n="nice -n 19"; $n true 2>/dev/null || n=; LC_ALL=C; export LC_ALL; '
            f"if test `id -u` = 0; then {ready} $n sh -s; fi; "
            f"if r=`LC_ALL=C sudo -k -n sh -s 2>&1 </dev/null`; then {ready} $n sudo -n sh -s; fi; "
            f'case "$r" in *usage*) if sudo -n sh -s >/dev/null 2>&1 </dev/null; then {ready} $n sudo -n sh -s; fi;; esac; '
            f'LC_ALL=C; export LC_ALL; exec $n sudo -k -S -p {self._prompt.decode()} sh -c "{ready} sh -s"\''
        )

    def hear(self, data: bytes) -> bytes:
        """What to send in answer to this piece of standard error."""
        if self.root or self.failed:
            return b""
        self._heard = (self._heard + data)[-65536:]
        if self._go in self._heard:
            self.root = True
            return b""
        prompts = self._heard.count(self._prompt)
        if prompts > 1:
            self.failed = "password"
        elif prompts == 1 and not self._prompts:
            self._prompts = 1
            answer, self._answer = self._answer, b""
            return answer
        return b""

    def ended(self) -> str:
        """The key of REASONS when the command has ended without a root shell."""
        if not self.failed:
            text = self._heard.decode("utf-8", "replace")
            found = (
                ("tty", r"have a tty"),
                ("none", r"sudo: (command )?not found|not found: sudo"),
                ("old", r"usage: sudo|invalid option|may not specify"),
                ("password", r"incorrect password|no password was provided|try again"),
                ("refused", r"sudoers|not allowed|may not run"),
            )
            self.failed = next((reason for reason, pattern in found if re.search(pattern, text)), "ended")
        return self.failed
