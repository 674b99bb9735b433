"""The two programs that a move brings to its destination: the schema's filler and the configuration's editor."""

import importlib.util
import io
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import contents

ROLES = Path(__file__).parents[2] / "playbooks/roles"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


copy = load(ROLES / "database_copy/files/schema-copy.py")
config = load(ROLES / "app_config/files/app-config.py")
OLD, NEW = {"schema": "wp_hist", "user": "wp"}, {"schema": "w_new", "user": "w_new", "password": "it's \\ new", "host": "localhost"}

LINES = {
    "view": (
        b"/*!50013 DEFINER=`physadmin`@`localhost` SQL SECURITY DEFINER */\n",
        b"/*!50013 DEFINER=`me`@`localhost` SQL SECURITY DEFINER */\n",
    ),
    "trigger": (
        b"/*!50003 CREATE*/ /*!50017 DEFINER=`a b`@`%`*/ /*!50003 TRIGGER t AFTER INSERT ON e FOR EACH ROW\n",
        b"/*!50003 CREATE*/ /*!50017 DEFINER=`me`@`localhost`*/ /*!50003 TRIGGER t AFTER INSERT ON e FOR EACH ROW\n",
    ),
    "routine": (b"CREATE DEFINER=`x``y`@`10.%` PROCEDURE `p`()\n", b"CREATE DEFINER=`me`@`localhost` PROCEDURE `p`()\n"),
    "data that looks like it": (b"INSERT INTO `t` VALUES ('CREATE DEFINER=`x`@`y` utf8mb4_0900_ai_ci');\n",) * 2,
    "collation of MySQL 8": (b") ENGINE=InnoDB COLLATE=utf8mb4_0900_ai_ci;\n", b") ENGINE=InnoDB COLLATE=utf8mb4_unicode_520_ci;\n"),
    "the schema's own name": (b"ALTER DATABASE `old` CHARACTER SET utf8mb4 ;\n", b"ALTER DATABASE `mine` CHARACTER SET utf8mb4 ;\n"),
}


@pytest.mark.parametrize("case", LINES)
def test_definitions_are_rewritten_and_data_is_not(case):
    line, expected = LINES[case]
    assert copy.rewrite(line, b"`me`@`localhost`", b"`mine`") == expected


@given(st.lists(st.binary(max_size=300).map(lambda b: b.replace(b"\n", b"")), max_size=40), st.integers(1, 50))
def test_lines_come_out_of_the_stream_as_they_went_in(lines, size):
    text = b"".join(line + b"\n" for line in lines)
    packer = zlib.compressobj(wbits=31)
    assert b"".join(copy.lines(io.BytesIO(packer.compress(text) + packer.flush()), size)) == text


def test_a_stream_that_is_cut_off_is_refused():
    packer = zlib.compressobj(wbits=31)
    whole = packer.compress(b"x\n" * 1000) + packer.flush()
    with pytest.raises(SystemExit, match="cut off"):
        list(copy.lines(io.BytesIO(whole[:-10])))


PHP = {
    "wordpress": (
        "<?php // define('DB_NAME', 'wp_hist');\ndefine('DB_NAME', 'wp_hist');\ndefine( \"DB_USER\", \"wp\" );\ndefine('DB_PASSWORD', 'a\\'b');\ndefine('DB_HOST', '10.0.0.1');\n$table_prefix = 'wp_';\n",
        "<?php // define('DB_NAME', 'wp_hist');\ndefine('DB_NAME', 'w_new');\ndefine( \"DB_USER\", 'w_new' );\ndefine('DB_PASSWORD', 'it\\'s \\\\ new');\ndefine('DB_HOST', 'localhost');\n$table_prefix = 'wp_';\n",
    ),
    "variables": (
        "<?php\n$db_host = 'localhost';\n$db_name = 'wp_hist';\n$db_user = 'wp';\n$db_password = 'x';\n",
        "<?php\n$db_host = 'localhost';\n$db_name = 'w_new';\n$db_user = 'w_new';\n$db_password = 'it\\'s \\\\ new';\n",
    ),
    "array, Drupal's way": (
        "<?php $d['default'] = ['database' => 'wp_hist', 'username' => 'wp', 'password' => 'x', 'host' => 'db1', 'prefix' => 'wp'];",
        "<?php $d['default'] = ['database' => 'w_new', 'username' => 'w_new', 'password' => 'it\\'s \\\\ new', 'host' => 'localhost', 'prefix' => 'wp'];",
    ),
    "properties, Joomla's way": (
        "<?php class JConfig { public $db = 'wp_hist'; public $user = 'wp'; public $password = 'x'; public $host = 'localhost'; }",
        "<?php class JConfig { public $db = 'w_new'; public $user = 'w_new'; public $password = 'it\\'s \\\\ new'; public $host = 'localhost'; }",
    ),
    "arguments": (
        "<?php $c = new mysqli('127.0.0.1', 'wp', 'x', 'wp_hist');",
        "<?php $c = new mysqli('localhost', 'w_new', 'it\\'s \\\\ new', 'w_new');",
    ),
    "data source name": (
        "<?php $p = new PDO('mysql:host=db1;dbname=wp_hist;charset=utf8', 'wp', 'x');",
        "<?php $p = new PDO('mysql:host=localhost;dbname=w_new;charset=utf8', 'w_new', 'it\\'s \\\\ new');",
    ),
    "docroot": (
        "<?php $db='wp_hist'; $user='wp'; $pass='x'; $cache='/var/www/old/cache'; $other='/var/www/older';",
        "<?php $db='w_new'; $user='w_new'; $pass='it\\'s \\\\ new'; $cache='/srv/new/cache'; $other='/var/www/older';",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PHP)
def test_php_configuration(case):
    before, after = PHP[case]
    changed = config.apply(before, config.edits(before, OLD, NEW, ("/var/www/old", "/srv/new")))
    assert changed == after
    assert config.edits(after, OLD, NEW, ("/var/www/old", "/srv/new")) == []


DOUBT = {
    "nothing names the schema": ("<?php $db = 'other'; $user='wp'; $pass='x';", "no literal names the schema"),
    "only a comment does": ("<?php /* $db = 'wp_hist'; */ $user='wp'; $pass='x';", "no literal names the schema"),
    "no password": ("<?php $db = 'wp_hist'; $user='wp'; $pass=getenv('P');", "holds the password"),
    "two passwords": ("<?php $db = 'wp_hist'; $user='wp'; $pass='x'; $password='y';", "could each hold the password"),
    "another account": ("<?php $db = 'wp_hist'; $user='root'; $pass='x';", "holds the user"),
}


@pytest.mark.parametrize("case", DOUBT)
def test_what_is_in_doubt_is_not_written(case):
    text, reason = DOUBT[case]
    with pytest.raises(ValueError, match=reason):
        config.edits(text, OLD, NEW, ("/var/www/old", "/srv/new"))


@given(st.text(max_size=400))
def test_any_text_is_read_without_harm(text):
    for item in config.literals("<?php " + text):
        assert item.start < item.end


def test_env_files():
    text = "APP_KEY=base64:x\nDB_HOST=db1\nDB_DATABASE=wp_hist\nDB_USERNAME=wp\nDB_PASSWORD=\n"
    after = config.apply(text, config.edits_env(text, {**NEW, "password": "p"}))
    assert after == 'APP_KEY=base64:x\nDB_HOST="localhost"\nDB_DATABASE="w_new"\nDB_USERNAME="w_new"\nDB_PASSWORD="p"\n'
    with pytest.raises(ValueError, match="DB_PASSWORD"):
        config.edits_env("DB_DATABASE=a\nDB_USERNAME=b\n", NEW)


def test_rows_are_read_whole_or_not_at_all():
    text = "table\t6576656E74\t3\t11\t22\ndefinition\t" + b"trigger t".hex() + "\t1\tabc\t0\nend\n"
    assert contents.parse_rows(text) == {"event": (3, "11-22"), "definition of trigger t": (1, "abc-0")}
    for broken in ("", text.replace("end\n", ""), text.replace("\t22", ""), text.replace("\t3\t", "\tx\t")):
        with pytest.raises(ValueError, match=r"cut off|not a table|invalid literal"):
            contents.parse_rows(broken)
