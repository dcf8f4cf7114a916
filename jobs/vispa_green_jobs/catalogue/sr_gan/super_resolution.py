"""The work of the job: showers, the stages of training, judgement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from vispa_green_jobs.catalogue.sr_gan import judging, toy
from vispa_green_jobs.catalogue.sr_gan.identification import Labelled, Trend, trend
from vispa_green_jobs.catalogue.sr_gan.network import Critic, Generator, Identifier
from vispa_green_jobs.catalogue.sr_gan.plots import draw_images, draw_trend, draw_widths
from vispa_green_jobs.catalogue.sr_gan.stages import Patches, Workshop, sharpened
from vispa_green_jobs.catalogue.sr_gan.toy import Images, Showers
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.shared import training

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.sr_gan import Settings


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Train and judge; see `vispa_green_jobs.catalogue.sr_gan.run`."""
    training.prepare(context)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    unseen = toy.generate(context, "test data", settings.test_events, settings.crystals)
    alone, made, generator, found = _trained(settings, context, unseen, device)
    found |= judging.judged(unseen, made)
    for stage, images in (("alone", alone), ("contest", made)):
        found |= judging.likeness(unseen, images, stage, context.seed_of(f"judge of {stage}"))
    for name in ("judge_auc", "ks_width", "ks_hottest_share", "ks_roughness"):
        found[f"{name}_gain"] = found[f"{name}_alone"] - found[f"{name}_contest"]
    identified = _identified(settings, context, generator, unseen, made, device)
    draw_images(context.plot("images"), unseen, made)
    draw_widths(context.plot("widths"), unseen, alone, made)
    draw_trend(context.plot("identification"), identified)
    return found | judging.of_trend(identified)


def _trained(
    settings: Settings, context: RunContext, unseen: Showers, device: torch.device
) -> tuple[Images, Images, Generator, dict[str, float]]:
    """Return unseen showers in pixels before and after the contest, the generator, and how the critics see both."""
    showers = toy.generate(context, "training data", settings.train_events, settings.crystals)
    shop = Workshop(settings, context, Patches.of(showers, settings.patch), device)
    training.seed_everything(context, "initial weights")
    generator = Generator(settings.blocks, settings.filters, settings.growth, conserving=settings.conserving)
    generator.to(device)
    perception = Identifier(settings.critic_patch * toy.SPLIT).to(device)
    context.say(f"generator alone: {settings.split_steps} steps")
    shop.split(generator)
    shop.perception(perception)
    alone = sharpened(generator, unseen.crystals, device)
    context.say(f"critic alone: {settings.critic_steps} steps")
    critic = _critic(settings, context, device)
    shop.criticism("critic-before", critic, generator)
    found = {"critic_distance_alone": shop.distance(critic, unseen, alone)}
    context.say(f"generator against critic: {settings.adversarial_steps} steps")
    shop.contest(generator, critic, perception)
    made = sharpened(generator, unseen.crystals, device)
    # A critic that has learnt as long from the same start, so that the two distances compare.
    critic = _critic(settings, context, device)
    shop.criticism("critic-after", critic, generator)
    found["critic_distance_contest"] = shop.distance(critic, unseen, made)
    return alone, made, generator, found


def _critic(settings: Settings, context: RunContext, device: torch.device) -> Critic:
    training.seed_everything(context, "initial weights of the critic")
    critic = Critic(settings.critic_patch * toy.SPLIT, settings.critic_filters)
    critic.to(device)
    return critic


def _identified(
    settings: Settings,
    context: RunContext,
    generator: Generator,
    unseen: Showers,
    made: Images,
    device: torch.device,
) -> Trend:
    """Compare identification on events of a pool of its own: none has trained the generator."""
    pool = toy.generate(context, "labelled data", max(settings.identification_events), settings.crystals)
    labelled = Labelled.of(pool, sharpened(generator, pool.crystals, device))
    return trend(settings, context, labelled, Labelled.of(unseen, made), device)
