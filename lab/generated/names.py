"""Names for a campus: units with their codes and classes, purposes of sites, people, systems.  Tables only
every person is invented."""

from __future__ import annotations

from generated.model import System

_SCHOOLS = """hist 历史学院 History;phys 物理学院 Physics
chem 化学学院 Chemistry;math 数学学院 Mathematics;bio 生命科学学院 Life Sciences
law 法学院 Law;lang 外国语学院 Foreign Languages;lit 文学院 Chinese Literature;phil 哲学学院 Philosophy;econ 经济学院 Economics
mgmt 管理学院 Management;jour 新闻学院 Journalism;arts 艺术学院 Arts;music 音乐学院 Music;edu 教育学院 Education;psy 心理学院 Psychology
cs 计算机学院 Computer Science;soft 软件学院 Software;ee 电子工程学院 Electronic Engineering;auto 自动化学院 Automation
mech 机械工程学院 Mechanical Engineering;civil 土木工程学院 Civil Engineering;arch 建筑学院 Architecture;env 环境学院 Environment
geo 地理学院 Geography;ocean 海洋学院 Ocean;mater 材料学院 Materials;energy 能源学院 Energy;med 医学院 Medicine;pharm 药学院 Pharmacy
nurs 护理学院 Nursing;pubh 公共卫生学院 Public Health;marx 马克思主义学院 Marxism;sport 体育学院 Sports;agri 农学院 Agriculture
stat 统计学院 Statistics"""
_DEPARTMENTS = """office 学校办公室 President's Office;hr 人事处 Human Resources
fin 财务处 Finance;jwc 教务处 Academic Affairs;yjs 研究生院 Graduate School
kyc 科研处 Research;xgb 学生工作处 Student Affairs;zsb 招生办公室 Admissions;job 就业中心 Careers;intl 国际交流处 International Exchange
audit 审计处 Audit;zcc 资产管理处 Assets;bwc 保卫处 Security
jjc 基建处 Construction;hqc 后勤管理处 Logistics Office;xcb 宣传部 Publicity
zzb 组织部 Organisation;tzb 统战部 United Front;gh 工会 Union
tw 团委 Youth League;ltx 离退休处 Retired Staff;xyh 校友会 Alumni;fzgh 发展规划处 Planning
wlzx 网络中心 Network Center"""
_AFFILIATED = """lib 图书馆 Library;dag 档案馆 Archives;bwg 博物馆 Museum
press 出版社 Press;journal 期刊社 Journals;fz 附属中学 Affiliated School
fx 附属小学 Primary School;yey 幼儿园 Kindergarten
cont 继续教育学院 Continuing Education;logi 后勤集团 Logistics Group;lab 分析测试中心 Analysis Center
sci 科技园 Science Park;inst 高等研究院 Advanced Study"""
_HOSPITALS = """hosp1 第一附属医院 First Hospital;hosp2 第二附属医院 Second Hospital
dent 口腔医院 Dental Hospital;tcm 中医院 Hospital of Chinese Medicine"""
_OTHERS = "jjh 教育基金会 Foundation;cxy 创新创业学院 Innovation;yb 战略研究中心 Strategy Center"


def _rows(text: str, kind: str) -> list[tuple[str, str, str, str]]:
    rows = [row.strip().split(" ", 2) for row in text.replace("\n", ";").split(";")]
    return [(code, zh, en, kind) for code, zh, en in rows]


UNITS = [
    *_rows(_SCHOOLS, "school"), *_rows(_DEPARTMENTS, "department"), *_rows(_AFFILIATED, "affiliated"), *_rows(_HOSPITALS, "hospital"),
    *_rows(_OTHERS, "other"),
]  # fmt: skip
"""(code, Chinese name, English name, class)."""
ALWAYS = ("wlzx", "hist", "lib", "zsb", "hosp1", "cs")
"""Units that every campus has, however small: the center itself, and one of each class that the rules know."""

CENTER = "wlzx"

PURPOSES = [
    ("news", "新闻网", "News"), ("jpkc", "精品课程", "Courses"),
    ("xsgz", "学生工作", "Student work"), ("dj", "党建网", "Party building"),
    ("alumni", "院友会", "Alumni"), ("wiki", "知识库", "Wiki"), ("bbs", "论坛", "Forum"), ("oa", "办公系统", "Office system"),
    ("labs", "实验中心", "Laboratories"), ("conf", "学术会议", "Conference"),
    ("booking", "预约系统", "Booking"), ("gradu", "研究生教育", "Graduates"),
    ("job", "就业信息", "Jobs"), ("equip", "仪器共享", "Instruments"),
    ("teach", "教学平台", "Teaching"), ("review", "本科评估", "Evaluation"),
    ("exhibit", "展览", "Exhibition"), ("journal", "学报", "Journal"),
    ("project", "项目管理", "Projects"), ("old", "旧版网站", "Old site"),
    ("english", "英文站", "English site"), ("centre", "研究中心", "Research center"),
    ("video", "视频资源", "Videos"), ("survey", "调查", "Survey"),
]  # fmt: skip
"""(label of the name, Chinese, English)."""
WORDS = ["water", "robot", "silkroad", "heritage", "genome", "quantum", "river", "maple", "lotus", "bridge", "compass", "summit"]
"""For names that tell no unit."""

SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"
GIVEN = ["芳", "伟", "敏", "静", "磊", "洋", "艳", "勇", "军", "杰", "娟", "涛", "明", "超", "秀兰", "霞", "平", "刚", "桂英", "建国"]

SYSTEMS = [
    System("debian", "8", "Debian GNU/Linux 8 (jessie)", "debian", "5.6", "5.6.40", ("MySQL", "5.5.62"), "2.4.10", "1.6.2"),
    System("debian", "10", "Debian GNU/Linux 10 (buster)", "debian", "7.3", "7.3.31", ("MariaDB", "10.3.39"), "2.4.38", "1.14.2"),
    System("debian", "11", "Debian GNU/Linux 11 (bullseye)", "debian", "7.4", "7.4.33", ("MariaDB", "10.5.29"), "2.4.62", "1.18.0"),
    System("debian", "12", "Debian GNU/Linux 12 (bookworm)", "debian", "8.2", "8.2.29", ("MariaDB", "10.11.6"), "2.4.62", "1.22.1"),
    System("ubuntu", "14.04", "Ubuntu 14.04.6 LTS", "debian", "5.5", "5.5.9", ("MySQL", "5.5.62"), "2.4.7", "1.4.6"),
    System("ubuntu", "16.04", "Ubuntu 16.04.7 LTS", "debian", "7.0", "7.0.33", ("MySQL", "5.7.33"), "2.4.18", "1.10.3"),
    System("ubuntu", "18.04", "Ubuntu 18.04.6 LTS", "debian", "7.2", "7.2.24", ("MySQL", "5.7.42"), "2.4.29", "1.14.0"),
    System("ubuntu", "20.04", "Ubuntu 20.04.6 LTS", "debian", "7.4", "7.4.3", ("MySQL", "8.0.36"), "2.4.41", "1.18.0"),
    System("ubuntu", "22.04", "Ubuntu 22.04.4 LTS", "debian", "8.1", "8.1.2", ("MySQL", "8.0.36"), "2.4.52", "1.18.0"),
    System("centos", "6", "CentOS release 6.10 (Final)", "rhel", "5.3", "5.3.3", ("MySQL", "5.1.73"), "2.2.15", "1.10.3"),
    System("centos", "7", "CentOS Linux 7 (Core)", "rhel", "5.4", "5.4.16", ("MariaDB", "5.5.68"), "2.4.6", "1.20.1"),
    System("rocky", "8.9", "Rocky Linux 8.9 (Green Obsidian)", "rhel", "7.2", "7.2.24", ("MariaDB", "10.3.39"), "2.4.37", "1.14.1"),
    System("rocky", "9.3", "Rocky Linux 9.3 (Blue Onyx)", "rhel", "8.0", "8.0.30", ("MariaDB", "10.5.22"), "2.4.57", "1.20.1"),
    System("openeuler", "22.03", "openEuler 22.03 (LTS-SP3)", "rhel", "8.0", "8.0.30", ("MySQL", "8.0.35"), "2.4.51", "1.21.5"),
]  # fmt: skip
SYSTEM_WEIGHTS = [2, 8, 14, 10, 3, 6, 10, 9, 7, 4, 18, 4, 3, 2]
WINDOWS = ["Windows Server 2008 R2", "Windows Server 2012 R2", "Windows Server 2016", "Windows Server 2019"]
