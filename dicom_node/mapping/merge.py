"""Put instances into an ImagingStudy: what is there stays, what is new is added, counts are counted.

https://hl7.org/fhir/R4/imagingstudy.html. The result does not depend on the order of arrival, and
an instance that is already there changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dicom_node.mapping.values import instant_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dicom_node.mapping.imaging_study import Mapped

_KEPT_STATUS = frozenset({"available", "entered-in-error"})


def merge(
    existing: Mapping[str, Any] | None, arrived: Iterable[Mapped], subject: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the study with the arrived instances; `existing` is not changed.

    Elements that others set are kept. `subject` is used for a study that has none yet.
    """
    study: dict[str, Any] = dict(existing or {"resourceType": "ImagingStudy"})
    study.setdefault("subject", subject)
    if study.get("status") not in _KEPT_STATUS:
        study["status"] = "available"
    series = {one["uid"]: dict(one) for one in study.get("series", ())}
    for mapped in sorted(arrived, key=lambda one: one.SOPInstanceUID):
        study["id"] = mapped.id
        _study(study, mapped.study)
        _series(series, mapped)
    study["series"] = [_counted(one) for one in sorted(series.values(), key=_place)]
    study["modality"] = _modalities(study["series"])
    study["numberOfSeries"] = len(study["series"])
    study["numberOfInstances"] = sum(len(one["instance"]) for one in study["series"])
    return study


def _study(study: dict[str, Any], arrived: Mapping[str, Any]) -> None:
    for element in ("identifier", "basedOn"):
        listed = list(study.get(element, ()))
        known = {_identity(one) for one in listed}
        listed += [one for one in arrived.get(element, ()) if _identity(one) not in known]
        if listed:
            study[element] = listed
    _earliest(study, arrived)
    for element, found in arrived.items():
        study.setdefault(element, found)


def _identity(one: Mapping[str, Any]) -> tuple[str, str]:
    identifier = one.get("identifier", one)
    return str(identifier.get("system", "")), str(identifier.get("value", one.get("reference", "")))


def _series(series: dict[str, dict[str, Any]], mapped: Mapped) -> None:
    one = series.setdefault(mapped.series["uid"], {})
    _earliest(one, mapped.series)
    for element, found in mapped.series.items():
        one.setdefault(element, found)
    instances = list(one.get("instance", ()))
    if all(known["uid"] != mapped.SOPInstanceUID for known in instances):
        instances.append(mapped.instance)
    one["instance"] = instances


def _earliest(target: dict[str, Any], arrived: Mapping[str, Any]) -> None:
    both = [one["started"] for one in (target, arrived) if "started" in one]
    if both:
        target["started"] = min(both, key=instant_of)


def _counted(one: dict[str, Any]) -> dict[str, Any]:
    instances = sorted(one.get("instance", ()), key=_place)
    return {**one, "numberOfInstances": len(instances), "instance": instances}


def _place(one: Mapping[str, Any]) -> tuple[bool, int, str]:
    """Sort by number, those without one last, and by UID."""
    number = one.get("number")
    return number is None, number or 0, one["uid"]


def _modalities(series: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = {
        (one["modality"].get("system"), one["modality"].get("code")): one["modality"]
        for one in series
    }
    return [found[key] for key in sorted(found, key=lambda key: (str(key[1]), str(key[0])))]
