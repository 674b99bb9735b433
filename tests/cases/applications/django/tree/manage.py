# ruff: noqa
# fmt: off
import os
if __name__ == '__main__':
    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'portal.settings')
