"""RFI's language editions: where each lives and the words its pages use. One row an edition.

Labels stand as the pages show them, without the colon that may follow; compare them without regard
to case. What is not known of an edition is an empty tuple; ``ff`` and ``ma`` are read with the
French labels that their pages fall back to.

Observed are: all labels of ``cn``; the first advertising and share label of ``fr``, ``en`` and
``vi``; "Read more" and "Page not found" in English. The others are what each language says there,
not seen on RFI's pages; a label that is wrong removes nothing, because it must be all of a block.
"""

from dataclasses import dataclass
from types import MappingProxyType

_OUTLET = ("RFI", "R.F.I", "Radio France Internationale")


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition of RFI.

    ``code``: first path segment of its addresses, the record's ``edition``.
    ``language``: BCP 47 tag, the record's ``in_language``.
    ``site_names``: what the outlet calls itself in title suffixes and bylines.
    ``ad_labels``, ``share_labels``, ``byline_labels``: see the module.
    ``author_words``: path segments before an author's name (``/cn/作者/罗拉/``).
    ``more_labels``: buttons and links that unfold or lead to more text.
    ``missing``: what pages say that are sent in place of one that is not there.
    ``columns``: programmes that a title names after `` - ``.
    ``pages``: one-segment paths that are sections or service pages, never articles.
    ``host``: where its addresses are today. ``legacy_hosts``: where they were.
    """

    code: str
    language: str
    site_names: tuple[str, ...] = _OUTLET
    ad_labels: tuple[str, ...] = ()
    share_labels: tuple[str, ...] = ()
    byline_labels: tuple[str, ...] = ()
    author_words: tuple[str, ...] = ()
    more_labels: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    host: str = "www.rfi.fr"
    legacy_hosts: tuple[str, ...] = ()

    @property
    def front_page(self) -> str:
        return f"https://{self.host}/{self.code}/"

    @property
    def feed(self) -> str:
        return f"https://{self.host}/{self.code}/rss"

    @property
    def sitemap_index(self) -> str:
        return f"https://{self.host}/sitemaps/{self.code}/index.xml"

    @property
    def news_sitemap(self) -> str:
        return f"https://{self.host}/sitemaps/{self.code}/news.xml"


_ROWS = (
    Edition(
        code="cn",
        language="zh-Hans",
        site_names=("法国国际广播电台", "法广", "法广中文网", "法广中文部", *_OUTLET),
        ad_labels=("广告", "举报广告"),
        share_labels=("分享",),
        byline_labels=("作者",),
        author_words=("作者",),
        more_labels=("继续浏览后续", "阅读更多"),
        missing=("页面不存在", "找不到页面", "未找到页面", "找不到网页", "您请求的内容不存在"),
        columns=(
            "法国报纸摘要",
            "要闻解说",
            "要闻分析",
            "法国世界报",
            "今日经济",
            "亚洲周刊",
            "曼谷专栏",
            "东京专栏",
            "公民论坛",
            "观察中国",
            "微言微语",
            "美国专栏",
            "环境与发展",
            "国际纵横",
            "法国风光",
            "特别节目",
            "文化遗产",
            "法国思想长廊",
            "欧洲思想文化长廊",
            "法国风土人情",
            "台北一周",
            "北美来鸿",
            "法国文艺欣赏",
            "文化艺术",
            "法国美食",
            "柏林飞鸿",
            "中华世界",
            "法语世界",
            "第一次播音 北京时间 06:00-07:00",
            "第二次播音 北京时间 19:00-20:00",
        ),
        pages=(
            "首页",
            "中国",
            "港澳台",
            "亚洲",
            "国际",
            "法国",
            "欧洲",
            "美洲",
            "非洲",
            "中东",
            "政治",
            "社会",
            "经贸",
            "生态",
            "人权",
            "科技与文化",
            "魅力法兰西",
            "专栏检索",
        ),
        legacy_hosts=("cn.rfi.fr",),
    ),
    Edition(
        code="tw",
        language="zh-Hant",
        site_names=("法國國際廣播電台", "法廣", "法国国际广播电台", "法广", *_OUTLET),
        ad_labels=("廣告", "广告"),
        share_labels=("分享",),
        byline_labels=("作者",),
        author_words=("作者",),
        more_labels=("繼續瀏覽後續", "閱讀更多"),
        missing=("頁面不存在", "找不到頁面", "未找到頁面", "找不到網頁"),
        pages=(
            "首頁",
            "中國",
            "港澳台",
            "亞洲",
            "國際",
            "法國",
            "歐洲",
            "美洲",
            "非洲",
            "中東",
            "政治",
            "社會",
            "經貿",
            "生態",
            "人權",
            "科技與文化",
            "專欄檢索",
        ),
        legacy_hosts=("trad.cn.rfi.fr",),
    ),
    Edition(
        code="fr",
        language="fr",
        ad_labels=("Publicité",),
        share_labels=("Partager",),
        byline_labels=("Par", "Texte par", "Auteur", "Auteurs", "Propos recueillis par"),
        author_words=("auteur",),
        more_labels=("Lire la suite", "Lire plus", "En savoir plus"),
        missing=(
            "Page introuvable",
            "Page non trouvée",
            "Cette page n’existe pas",
            "Contenu introuvable",
        ),
        pages=(
            "afrique",
            "afrique-foot",
            "amériques",
            "applications",
            "asie-pacifique",
            "capter-rfi",
            "culture-médias",
            "direct-afrique",
            "direct-monde",
            "économie",
            "en-bref",
            "environnement",
            "europe",
            "france",
            "gestion-notifications",
            "grille-des-programmes-afrique",
            "grille-des-programmes-monde",
            "interactif",
            "journaux-afrique",
            "journaux-monde",
            "les-plus-lus",
            "medias-partenaires",
            "moyen-orient",
            "notre-sélection",
            "qui-sommes-nous",
            "sciences",
            "sports",
            "stop-infox",
            "tech",
            "technologies",
            "vidéos",
        ),
    ),
    Edition(
        code="en",
        language="en",
        site_names=("RFI English", "Radio France International", *_OUTLET),
        ad_labels=("Advertising", "Advertisement", "Report this ad"),
        share_labels=("Share",),
        byline_labels=("By", "Text by", "Written by", "Author"),
        author_words=("author",),
        more_labels=("Read more",),
        missing=("Page not found", "The page you requested does not exist"),
        legacy_hosts=("en.rfi.fr",),
    ),
    Edition(
        code="es",
        language="es",
        site_names=("RFI Español", "Radio Francia Internacional", *_OUTLET),
        ad_labels=("Publicidad", "Anuncio", "Anuncios"),
        share_labels=("Compartir",),
        byline_labels=("Por", "Texto por", "Autor"),
        author_words=("autor",),
        more_labels=("Leer más", "Seguir leyendo"),
        missing=("Página no encontrada", "No se encontró la página"),
        legacy_hosts=("es.rfi.fr", "espanol.rfi.fr"),
    ),
    Edition(
        code="pt",
        language="pt",
        site_names=("RFI Português", "Rádio França Internacional", *_OUTLET),
        ad_labels=("Publicidade",),
        share_labels=("Partilhar", "Compartilhar"),
        byline_labels=("Por", "Texto por", "Autor"),
        author_words=("autor",),
        more_labels=("Ler mais", "Continuar a ler"),
        missing=("Página não encontrada", "Página inexistente"),
        legacy_hosts=("pt.rfi.fr",),
    ),
    Edition(
        code="br",
        language="pt-BR",
        site_names=("RFI Brasil", "Rádio França Internacional", *_OUTLET),
        ad_labels=("Publicidade",),
        share_labels=("Compartilhar", "Partilhar"),
        byline_labels=("Por", "Texto por", "Autor"),
        author_words=("autor",),
        more_labels=("Leia mais", "Ler mais", "Continue lendo"),
        missing=("Página não encontrada", "Página inexistente"),
        legacy_hosts=("br.rfi.fr",),
    ),
    Edition(
        code="ru",
        language="ru",
        site_names=("РФИ", "Международное французское радио", *_OUTLET),
        ad_labels=("Реклама",),
        share_labels=("Поделиться",),
        byline_labels=("Автор", "Авторы", "Текст"),
        author_words=("автор",),
        more_labels=("Читать далее", "Читать дальше"),
        missing=("Страница не найдена", "Страница не существует"),
        legacy_hosts=("ru.rfi.fr", "russian.rfi.fr"),
    ),
    Edition(
        code="fa",
        language="fa",
        site_names=("ار.اف.ای", "رادیو بین‌المللی فرانسه", *_OUTLET),
        ad_labels=("تبلیغ بازرگانی", "تبلیغات", "آگهی"),
        share_labels=("هم‌رسانی", "اشتراک‌گذاری", "به اشتراک بگذارید"),
        byline_labels=("نویسنده", "نوشته", "توسط"),
        author_words=("نویسنده",),
        more_labels=("ادامه مطلب", "بیشتر بخوانید"),
        missing=("صفحه پیدا نشد", "صفحه یافت نشد", "صفحه مورد نظر یافت نشد"),
        legacy_hosts=("fa.rfi.fr",),
    ),
    Edition(
        code="vi",
        language="vi",
        site_names=("RFI Tiếng Việt", "Đài Phát thanh Quốc tế Pháp", *_OUTLET),
        ad_labels=("Quảng cáo",),
        share_labels=("Chia sẻ",),
        byline_labels=("Tác giả", "Bài viết của", "Bởi"),
        author_words=("tác-giả",),
        more_labels=("Đọc tiếp", "Xem thêm"),
        missing=("Không tìm thấy trang", "Trang không tồn tại"),
        legacy_hosts=("vi.rfi.fr",),
    ),
    Edition(
        code="km",
        language="km",
        site_names=("វិទ្យុបារាំងអន្តរជាតិ", *_OUTLET),
        ad_labels=("ផ្សាយពាណិជ្ជកម្ម", "ពាណិជ្ជកម្ម"),
        share_labels=("ចែករំលែក",),
        byline_labels=("ដោយ", "អ្នកនិពន្ធ", "អត្ថបទដោយ"),
        author_words=("អ្នកនិពន្ធ",),
        more_labels=("អានបន្ត", "អានបន្ថែម"),
        missing=("រកមិនឃើញទំព័រ", "រកទំព័រមិនឃើញ"),
        legacy_hosts=("km.rfi.fr",),
    ),
    Edition(
        code="sw",
        language="sw",
        site_names=("RFI Kiswahili", *_OUTLET),
        ad_labels=("Matangazo ya kibiashara",),
        share_labels=("Shiriki", "Sambaza"),
        byline_labels=("Na", "Imeandikwa na", "Mwandishi"),
        author_words=("mwandishi",),
        more_labels=("Soma zaidi", "Endelea kusoma"),
        missing=("Ukurasa haukupatikana", "Ukurasa haupatikani"),
        legacy_hosts=("sw.rfi.fr", "kiswahili.rfi.fr"),
    ),
    Edition(
        code="ha",
        language="ha",
        site_names=("RFI Hausa", *_OUTLET),
        ad_labels=("Talla",),
        share_labels=("Raba", "Yada"),
        byline_labels=("Daga", "Marubuci"),
        author_words=("marubuci",),
        more_labels=("Ci gaba da karatu", "Karanta ƙari"),
        missing=("Ba a samu shafin ba", "Ba a sami shafin ba"),
        legacy_hosts=("ha.rfi.fr",),
    ),
    Edition(
        code="uk",
        language="uk",
        site_names=("RFI Україна", "Міжнародне французьке радіо", *_OUTLET),
        ad_labels=("Реклама",),
        share_labels=("Поділитися",),
        byline_labels=("Автор", "Автори", "Текст"),
        author_words=("автор",),
        more_labels=("Читати далі",),
        missing=("Сторінку не знайдено", "Сторінка не існує"),
    ),
    Edition(
        code="ff",
        language="ff",
        site_names=("RFI Fulfulde", *_OUTLET),
        ad_labels=("Publicité",),
        share_labels=("Partager",),
        byline_labels=("Par",),
        author_words=("auteur",),
        more_labels=("Lire la suite",),
        missing=("Page introuvable", "Page non trouvée"),
    ),
    Edition(
        code="ma",
        language="bm",
        site_names=("RFI Mandenkan", *_OUTLET),
        ad_labels=("Publicité",),
        share_labels=("Partager",),
        byline_labels=("Par",),
        author_words=("auteur",),
        more_labels=("Lire la suite",),
        missing=("Page introuvable", "Page non trouvée"),
    ),
    Edition(
        code="ro",
        language="ro",
        site_names=("RFI România", *_OUTLET),
        ad_labels=("Publicitate", "Reclamă"),
        share_labels=("Distribuie",),
        byline_labels=("De", "Autor"),
        author_words=("autor",),
        more_labels=("Citește mai mult", "Citește mai departe"),
        missing=("Pagina nu a fost găsită", "Pagina nu există"),
        pages=("muzica", "emisiuni", "podcast"),
        host="www.rfi.ro",
    ),
)

EDITIONS: MappingProxyType[str, Edition] = MappingProxyType({row.code: row for row in _ROWS})
"""Editions by code, in the order of the rows."""

OUTLET_NAMES: frozenset[str] = frozenset(
    name for edition in EDITIONS.values() for name in edition.site_names
)
"""Every name of the outlet: none of them is an author."""
