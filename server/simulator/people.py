"""Names of made-up people, with everything in them that real names hold.

Beside ordinary ones: a surname of two characters, a minority's long name with its dot, characters
beyond the basic plane, Latin letters, an emoji. All lengths in bytes differ from those in
characters.
"""

import random

_SURNAMES = ("王", "李", "张", "刘", "陈", "杨", "黄", "赵", "欧阳", "司马", "㛃", "𠮷")
_GIVEN_NAMES = ("伟", "芳", "秀英", "娜", "敏", "静", "丽", "强", "磊", "洋", "子涵", "𬱖", "喆")
_UNUSUAL = ("阿依古丽·买买提", "Ærø O'Brien", "小明😀", "👨‍👩‍👧 家属联系人", 'A"B\\C', "测试01")
_SHARE_UNUSUAL = 0.15


def random_name(rng: random.Random) -> str:
    """Return a person's name; about one in seven is an unusual one."""
    if rng.random() < _SHARE_UNUSUAL:
        return rng.choice(_UNUSUAL)
    return rng.choice(_SURNAMES) + rng.choice(_GIVEN_NAMES)
