"""Logging in to odd servers: passwords, prompts, more than one factor, servers that hang up; and that no secret is seen anywhere."""

import pytest

from inventory import ssh
from inventory.ssh import authentication

QUICK = ssh.Deadlines(connect=3, exchange=4, auth=6, command=6)
SECRET = "correct horse"


def visit(peer, command="go", stdin=b"", **options):
    return ssh.visit(peer, command, stdin, **({"deadlines": QUICK} | options))


def login(password=SECRET, name="pw", **more):
    return ssh.Login("ops", agent=False, password=password, name=name, **more)


def test_a_password(serve, odd):
    seen = visit(serve(odd(password=SECRET), login()))
    assert (seen.outcome, seen.output, seen.login) == ("ok", b"hello\n", "pw")


def test_a_password_in_answer_to_a_prompt(serve, odd):
    server = odd(password=SECRET, methods="publickey,keyboard-interactive", question="ops 的口令：")
    assert visit(serve(server, login())).outcome == "ok"
    assert ("answers", "", (SECRET,)) in server.tried


def test_a_second_question_gets_no_password(serve, odd):
    server = odd(password=SECRET, methods="keyboard-interactive", more=("Verification code: ",))
    seen = visit(serve(server, login()))
    assert seen.outcome == "auth", seen
    assert "it asks for more than a password: 'Verification code:'" in seen.detail
    assert [answers for kind, _, answers in server.tried if kind == "answers"] == [(SECRET, "")]


def test_a_password_is_right_and_not_enough(serve, odd):
    seen = visit(serve(odd(password=SECRET, after="publickey"), login()))
    assert seen.outcome == "auth", seen
    assert "password was right, and the server wants publickey as well" in seen.detail


def test_a_key_and_a_password_together(serve, odd, tmp_path, make_key):
    class Both(odd):
        def check_auth_publickey(self, username, key):
            self.methods = "password"
            return 1  # partially successful

    server = Both(password=SECRET, methods="publickey")
    key = str(make_key(tmp_path / "key"))
    assert visit(serve(server, login(key_files=(key,)))).outcome == "ok"


def test_passwords_of_several_logins_in_order(serve, odd):
    server = odd(password=SECRET)
    seen = visit(serve(server, login("first wrong", "a"), login("second wrong", "b"), login(name="c")))
    assert (seen.outcome, seen.login) == ("ok", "c")
    assert [password for kind, _, password in server.tried if kind == "password"] == ["first wrong", "second wrong", SECRET]


def test_what_worked_last_time_is_tried_first(serve, odd):
    from dataclasses import replace

    server = odd(password=SECRET)
    peer = serve(server, login("first wrong", "a"), login(name="c"))
    assert visit(replace(peer, preferred="c")).login == "c"
    assert len([1 for kind, *_ in server.tried if kind == "password"]) == 1
    assert visit(replace(peer, preferred="gone")).login == "c"


def test_no_password_for_a_host_that_is_not_who_it_was(serve, odd):
    from dataclasses import replace

    server = odd(password=SECRET)
    peer = serve(server, login())
    assert visit(replace(peer, keys={"ecdsa-sha2-nistp256": b"another"})).outcome == "host key changed"
    assert visit(replace(peer, keys={})).outcome == "host key unknown"
    assert server.tried == []


def test_the_methods_that_a_server_takes_are_told(serve, odd):
    seen = visit(serve(odd(methods="hostbased"), login()))
    assert (seen.outcome, seen.detail) == ("auth", "pw: the server takes hostbased")
    nothing = visit(serve(odd(), ssh.Login("ops", agent=False, name="empty")))
    assert (nothing.outcome, "neither a key file nor an agent nor a password" in nothing.detail) == ("auth", True)
    assert visit(serve(odd())).detail == "there is no login for it"


def test_a_server_that_always_hangs_up_does_not_keep_us(serve, odd):
    class Rude(odd):
        def check_auth_password(self, username, password):
            self.tried.append(("password", username, password))
            raise EOFError

    server = Rude()
    seen = visit(serve(server, *(login(f"{SECRET} {number}", f"l{number}") for number in range(40))))
    assert seen.outcome == "auth", seen
    assert len(server.tried) <= authentication.CONNECTIONS


def test_no_secret_is_in_what_comes_back(serve, odd, capfd, caplog):
    """Not even of a host that prints what it was told."""

    def echo(channel, command):
        channel.sendall(f"your password is {SECRET}\n".encode())
        channel.sendall_stderr(f"{SECRET}!\n".encode())

    caplog.set_level(0)
    peer = serve(odd(password=SECRET, script=echo), login())
    seen = visit(peer)
    assert seen.output == b"your password is [redacted]\n"
    assert seen.said == "[redacted]!\n"
    refused = visit(serve(odd(password="another"), login(SECRET)))
    assert refused.outcome == "auth"
    for text in (repr(seen), repr(refused), repr(peer), str(peer), repr(peer.logins), caplog.text, *capfd.readouterr()):
        assert SECRET not in text


@pytest.mark.parametrize("secret", ["root", "x"])
def test_short_words_are_not_cut_out_of_a_transcript(serve, odd, secret):
    peer = serve(odd(password=secret, script=lambda channel, command: channel.sendall(b"@@n start root Linux x\n")), login(secret))
    assert visit(peer).output == b"@@n start root Linux x\n"
