import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.credential_input import ValueFault, ValueProblem, clean, judge, split_pasted
from crypto.credentials import CredentialField

TOKEN = "madeUpToken01"
AES_KEY = "AbCdEf0123456789AbCdEf0123456789AbCdEf0123E"
APP_KEY = "dingmadeupappkey0001"
CORP_ID = "ding0123456789abcdef0123456789abcdef"
SECRET = "madeUpSecret0123456789-abcdefghij_klmnopqrstuvwxyz0123456789ABCD"
LABELLED = f"token: {TOKEN}\naes_key: {AES_KEY}"
ALL = {CredentialField.TOKEN: TOKEN, CredentialField.AES_KEY: AES_KEY, CredentialField.KEY: APP_KEY}


@pytest.mark.parametrize(
    ("pasted", "cleaned"),
    [
        (f"  {AES_KEY}\r\n", AES_KEY),
        (f"{AES_KEY}=", AES_KEY),
        (f'"{AES_KEY}",', AES_KEY),
        (f"“{AES_KEY}”；", AES_KEY),
        (f"\ufeff{AES_KEY[:20]}\u200b{AES_KEY[20:]}", AES_KEY),
        (f"{AES_KEY[:20]}\n  {AES_KEY[20:]}", AES_KEY),
        ("ＡＢＣ１２３", "ABC123"),
        ("`abc`", "abc"),
        ("　abc　", "abc"),
        ("\N{NO-BREAK SPACE}abc", "abc"),
        ("", ""),
        ("==", ""),
    ],
)
def test_what_pasting_adds_is_taken_off(pasted: str, cleaned: str) -> None:
    assert cleaned == clean(CredentialField.AES_KEY, pasted)


def test_only_an_aes_key_loses_its_equals_sign() -> None:
    assert [
        clean(field, "a=")
        for field in (CredentialField.TOKEN, CredentialField.KEY, CredentialField.AES_KEY)
    ] == [
        "a=",
        "a=",
        "a",
    ]


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        (CredentialField.TOKEN, "", ValueProblem(CredentialField.TOKEN, ValueFault.EMPTY)),
        (
            CredentialField.TOKEN,
            "ab",
            ValueProblem(CredentialField.TOKEN, ValueFault.TOO_SHORT, 2, 3),
        ),
        (CredentialField.TOKEN, "abc", None),
        (CredentialField.TOKEN, "a" * 63, None),
        (
            CredentialField.TOKEN,
            "a" * 64,
            ValueProblem(CredentialField.TOKEN, ValueFault.TOO_LONG, 64, 63),
        ),
        (CredentialField.AES_KEY, AES_KEY, None),
        (
            CredentialField.AES_KEY,
            AES_KEY[1:],
            ValueProblem(CredentialField.AES_KEY, ValueFault.WRONG_LENGTH, 42, 43),
        ),
        (
            CredentialField.AES_KEY,
            AES_KEY + "x",
            ValueProblem(CredentialField.AES_KEY, ValueFault.WRONG_LENGTH, 44, 43),
        ),
        (CredentialField.KEY, "abc", ValueProblem(CredentialField.KEY, ValueFault.TOO_SHORT, 3, 4)),
        (CredentialField.KEY, "suite_key-1", None),
        (CredentialField.KEY, CORP_ID, None),
        (CredentialField.KEY, "ding.x", None),
        (
            CredentialField.KEY,
            "k" * 129,
            ValueProblem(CredentialField.KEY, ValueFault.TOO_LONG, 129, 128),
        ),
        (CredentialField.TOKEN, "test-token_1.2!@#$%^&*()=+/|~", None),
        (
            CredentialField.TOKEN,
            "it'stoken",
            ValueProblem(CredentialField.TOKEN, ValueFault.FORBIDDEN_CHARACTER, 9, 0, "'", 3),
        ),
        (
            CredentialField.TOKEN,
            "abc钉d",
            ValueProblem(CredentialField.TOKEN, ValueFault.FORBIDDEN_CHARACTER, 5, 0, "钉", 4),
        ),
        (
            CredentialField.AES_KEY,
            "a+b",
            ValueProblem(CredentialField.AES_KEY, ValueFault.FORBIDDEN_CHARACTER, 3, 0, "+", 2),
        ),
    ],
)
def test_a_value_is_judged(
    field: CredentialField, value: str, problem: ValueProblem | None
) -> None:
    assert problem == judge(field, value)


@given(last=st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"))
def test_an_aes_key_is_good_whatever_its_last_character(last: str) -> None:
    assert judge(CredentialField.AES_KEY, AES_KEY[:-1] + last) is None


BLOCKS = {
    "the console": f"加密 aes_key\n{AES_KEY}\n签名 token\n{TOKEN}\nClient ID\n{APP_KEY}\n",
    "the console with its buttons": (
        f"加密 aes_key *\n复制\n{AES_KEY}\n随机生成\n签名 token *\n复制\n{TOKEN}\n随机生成\n"
        f"Client ID（原 AppKey 和 SuiteKey）\n{APP_KEY}\n复制\n"
        f"Client Secret（原 AppSecret 和 SuiteSecret）\n{SECRET}\n"
    ),
    "the English console": (
        f"Client ID (formerly AppKey and SuiteKey)\n{APP_KEY}\nCopy\n"
        f"Client Secret\n{SECRET}\nCopy\n"
        f"Encryption aes_key\n{AES_KEY}\nSignature token\nCopy\n{TOKEN}"
    ),
    "full-width colons": f"加密aes_key：{AES_KEY}\n签名token：{TOKEN}\nAppKey：{APP_KEY}",
    "the secret first": (
        f"Client Secret\n{SECRET}\nClient ID\n{APP_KEY}\nToken\n{TOKEN}\nEncodingAESKey\n{AES_KEY}"
    ),
    "an e-mail": (
        f"王工你好，\n\n回调地址是 https://example.com/api/callback?token=abc ，参数如下：\n"
        f"  token = {TOKEN}\n  aes_key = {AES_KEY}=\n  AppKey = {APP_KEY}\n\n谢谢！\n李"
    ),
    "JSON": f'{{"token":"{TOKEN}","aes_key":"{AES_KEY}","key":"{APP_KEY}"}}',
    "pretty JSON": (
        f'{{\n  "token": "{TOKEN}",\n  "aesKey": "{AES_KEY}",\n  "appKey": "{APP_KEY}",\n'
        f'  "appSecret": "{SECRET}"\n}}'
    ),
    "an env file": (
        f"export DINGTALK_TOKEN='{TOKEN}'\nDINGTALK_AES_KEY=\"{AES_KEY}\"\n"
        f"DINGTALK_APP_KEY={APP_KEY}\nDINGTALK_APP_SECRET={SECRET}"
    ),
    "YAML": f"dingtalk:\n  token: {TOKEN}\n  aes-key: {AES_KEY}\n  app-key: {APP_KEY}",
    "Python": f'TOKEN = "{TOKEN}"\nAES_KEY = "{AES_KEY}"\nAPP_KEY = "{APP_KEY}"  # the app\'s',
    "XML": f"<token>{TOKEN}</token>\n<aesKey>{AES_KEY}</aesKey>\n<key>{APP_KEY}</key>",
    "Markdown": f"- **token**: `{TOKEN}`\n- **aes_key**: `{AES_KEY}`\n- **AppKey**: `{APP_KEY}`",
    "a table": f"| token | {TOKEN} |\n| aes_key | {AES_KEY} |\n| AppKey | {APP_KEY} |",
    "tabs": f"token\t{TOKEN}\naes_key\t{AES_KEY}\nAppKey\t{APP_KEY}",
    "arrows": f"token -> {TOKEN}\naes_key → {AES_KEY}\nkey => {APP_KEY}",
    "a query": f"token={TOKEN}&aes_key={AES_KEY}&key={APP_KEY}",
    "one line": f"token: {TOKEN} aes_key: {AES_KEY} key: {APP_KEY}",
    "one line with commas": f"token={TOKEN}, aes_key={AES_KEY}, appkey={APP_KEY}",
    "one Chinese line": f"token：{TOKEN}、aes_key：{AES_KEY}，AppKey：{APP_KEY}。",
    "a Chinese sentence": f"token是{TOKEN}，aes_key是{AES_KEY}，AppKey是{APP_KEY}",
    "Chinese labels": f"令牌：{TOKEN}\n数据加密密钥：{AES_KEY}\n应用标识 AppKey：{APP_KEY}",
    "AppKey before CorpId": f"AppKey: {APP_KEY}\nCorpId: {CORP_ID}\n{LABELLED}",
    "CorpId before AppKey": f"CorpId: {CORP_ID}\nAppKey: {APP_KEY}\n{LABELLED}",
    "Windows line ends": f"token\r\n{TOKEN}\r\naes_key\r\n{AES_KEY}\r\nAppKey\r\n{APP_KEY}\r\n",
    "invisible characters": f"token\u200b: {TOKEN}\u200b\n\ufeffaes_key: {AES_KEY}\nkey: {APP_KEY}",
    "no labels": f"{TOKEN}\n{AES_KEY}\n{APP_KEY}",
    "no labels, one line": f"{APP_KEY} {TOKEN} {AES_KEY}=",
    "no labels, CorpId too": f"{CORP_ID}\n{TOKEN}\n{AES_KEY}\n{APP_KEY}",
    "an access token too": f"access_token: abcdef0123456789\nkey: {APP_KEY}\n{LABELLED}",
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS.keys())
def test_a_block_is_taken_apart(block: str) -> None:
    assert split_pasted(block) == ALL


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ("", {}),
        ("hello world", {}),
        ("token", {}),
        ("token:", {}),
        ("token: \naes_key: ", {}),
        ('{"token": "", "aes_key": "", "key": ""}', {}),
        ("token: token1", {CredentialField.TOKEN: "token1"}),
        ("token: mytoken", {CredentialField.TOKEN: "mytoken"}),
        ("token: my.to-k@en!1.", {CredentialField.TOKEN: "my.to-k@en!1"}),
        (
            "The token is abc1. The key is ding.x2!",
            {CredentialField.TOKEN: "abc1", CredentialField.KEY: "ding.x2"},
        ),
        ("Client ID: Token: abc123", {CredentialField.TOKEN: "abc123"}),
        (f"Client Secret\n{SECRET}", {}),
        (f"Client Secret: {'a' * 40}", {}),
        (f"AppSecret\n\n{'a' * 40}\n\ntoken\n\n{TOKEN}", {CredentialField.TOKEN: TOKEN}),
        (f"{'a' * 40}\n{APP_KEY}", {CredentialField.KEY: APP_KEY}),
        (f"CorpId: {CORP_ID}", {CredentialField.KEY: CORP_ID}),
        (
            f"SuiteKey: suite4xxxxxxxxxxxxxxx\ntoken {TOKEN}",
            {CredentialField.KEY: "suite4xxxxxxxxxxxxxxx", CredentialField.TOKEN: TOKEN},
        ),
        (f"https://oapi.dingtalk.com/robot/send?access_token={'a1' * 20}", {}),
        (f"aes_key: {AES_KEY[:-1]}", {}),
        (f"AgentId: 1234567\naes_key\n{AES_KEY}", {CredentialField.AES_KEY: AES_KEY}),
        ("the address of dingtalkcallback is known", {}),
        (f"one two {AES_KEY}", {CredentialField.AES_KEY: AES_KEY}),
    ],
)
def test_what_is_not_there_is_left_out(block: str, found: dict[CredentialField, str]) -> None:
    assert found == split_pasted(block)


LABELS = ["token", "aes_key", "Client ID", "Client Secret", "AppKey", "key", "密钥", "令牌"]
SEPARATORS = ["=", ":", "：", "\n", "\r\n", " ", "\t", "(", ")", '"', ",", "{", "}", "复制", "is"]
ODDITIES = ["https://", "\0", "\ud800", "ﷺ"]
WORDS = st.sampled_from([*LABELS, *SEPARATORS, *ODDITIES, *ALL.values(), CORP_ID, SECRET])


@given(block=st.text(st.characters()) | st.lists(WORDS, max_size=30).map("".join))
@settings(max_examples=500)
def test_no_text_at_all_makes_it_fail_and_only_usable_values_are_found(block: str) -> None:
    for field, value in split_pasted(block).items():
        assert judge(field, value) is None
        assert value == clean(field, value)


@given(text=st.text(st.characters()))
def test_any_text_can_be_cleaned_and_judged_and_a_good_value_is_clean(text: str) -> None:
    for field in CredentialField:
        value = clean(field, text)
        assert judge(field, value) is not None or value == clean(field, value)


@pytest.mark.parametrize(
    "piece",
    [" ", "a", "a ", "token", "token:", "token\n", ":", "\n", "(", "key(", "_a", "https://"],
)
def test_a_whole_file_pasted_by_mistake_is_dealt_with_at_once(piece: str) -> None:
    split_pasted(piece * (200_000 // len(piece)) + "x")  # a search that backtracks takes hours here
