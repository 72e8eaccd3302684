"""The ranks of a job whose ZeRO-3 cuts its shard into many sub-groups, as a model of billions has them."""

from typing import Any

from mixwright_runtime.training import job, trainer
from mixwright_runtime.training.settings import TrainSettings

whole = trainer.deepspeed_config


def cut(settings: TrainSettings, *, is_universal: bool = False) -> dict[str, Any]:
    config = whole(settings, is_universal=is_universal)
    config["zero_optimization"]["sub_group_size"] = 5_000
    return config


if __name__ == "__main__":
    trainer.deepspeed_config = cut
    job.main()
