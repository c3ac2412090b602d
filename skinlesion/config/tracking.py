"""Where else a run's settings and scores go, beside its own folder."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from skinlesion.config.section import Section


class Mlflow(Section):
    """An MLflow store; weights and images never go there."""

    name: Literal["mlflow"] = "mlflow"
    uri: str | None = Field(
        None, description="null: MLFLOW_TRACKING_URI, else a file in the working directory"
    )
    experiment: str = Field("skinlesion", min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _by_its_name(cls, values: Any) -> Any:
        """``tracking: mlflow`` is short for ``tracking: {name: mlflow}``."""
        return {"name": values} if isinstance(values, str) else values
