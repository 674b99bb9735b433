# ruff: noqa
# fmt: off
SQLALCHEMY_DATABASE_URI = 'mysql+pymysql://lab:never-Shown-5a1@localhost/labdb?charset=utf8mb4'
