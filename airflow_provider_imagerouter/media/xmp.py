"""What a picture's file says of itself: an XMP packet (ISO 16684-1) with Dublin Core, IPTC and terms of our own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from airflow_provider_imagerouter.records import Record

CREATOR_TOOL = "airflow-provider-imagerouter"

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"

GENERATED = SOURCE_TYPES + "trainedAlgorithmicMedia"
"""IPTC's term for what a model made of text."""

EDITED = SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
"""IPTC's term for what a model made with other pictures."""

_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "imagerouter": "urn:airflow-provider-imagerouter:record#",
}

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may have, escaped or not (XML 1.0, 2.2)."""


def packet(record: Record, most_characters: int | None = None) -> bytes:
    """
    Return the packet of a picture; of the same record always the same.

    What is nobody's business who gets the picture is not in it: cost, places, links, metadata of a batch.

    :param record: of the picture
    :param most_characters: how much of each text it has; None for all
    """
    prompt, revised = (_short(record[name], most_characters) for name in ("prompt", "revised_prompt"))
    source_type = EDITED if record["inputs"] else GENERATED
    properties = [
        _property("dc:description", [prompt], "Alt"),
        _property("xmp:CreatorTool", [CREATOR_TOOL]),
        _property("xmp:CreateDate", [record["created_at"]]),
        _property("Iptc4xmpExt:DigitalSourceType", [source_type]),
        _property("Iptc4xmpExt:AISystemUsed", [record["model"]]),
        _property("Iptc4xmpExt:AIPromptInformation", [prompt]),
        _property("imagerouter:RevisedPrompt", [revised]),
        _property("imagerouter:InputSha256", [each["sha256"] for each in record["inputs"]], "Seq"),
    ]
    namespaces = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'<rdf:Description rdf:about=""{namespaces}>\n{"".join(properties)}</rdf:Description>\n'
        '</rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
    ).encode()


def _property(name: str, values: Sequence[str | None], container: str | None = None) -> str:
    """Return a property with what there is of its values; nothing if there are none."""
    texts = [_escaped(value) for value in values if value]
    if not texts:
        return ""
    if container:
        language = ' xml:lang="x-default"' if container == "Alt" else ""
        items = "".join(f"<rdf:li{language}>{text}</rdf:li>" for text in texts)
        return f"<{name}><rdf:{container}>{items}</rdf:{container}></{name}>\n"
    return f"<{name}>{texts[0]}</{name}>\n"


def _escaped(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"})


def _short(text: str | None, most: int | None) -> str | None:
    return text if text is None or most is None or len(text) <= most else f"{text[:most]}…"
