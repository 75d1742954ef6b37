"""Using pages with a keyboard only: Tab, Space, Enter, arrows and letters."""

from playwright.async_api import Locator, Page

MOST_STOPS = 120


async def go_to(target: Locator) -> None:
    """Press Tab until this has the focus, as somebody does who cannot point."""
    await target.wait_for()
    for _ in range(MOST_STOPS):
        if await target.evaluate("element => element === document.activeElement"):
            return
        await target.page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not lead to {target}")


async def enter(page: Page, target: Locator) -> None:
    """Go to a link or a button, and press Enter."""
    await go_to(target)
    await page.keyboard.press("Enter")


async def tick(page: Page, target: Locator) -> None:
    """Go to a box or to the first option of a group, and press Space."""
    await go_to(target)
    await page.keyboard.press("Space")


async def choose(page: Page, group: Locator, value: str) -> None:
    """Go to a group of options, and move to one of them by arrows."""
    values = [await each.get_attribute("value") for each in await group.get_by_role("radio").all()]
    await tick(page, group.get_by_role("radio").first)
    for _ in range(values.index(value)):
        await page.keyboard.press("ArrowDown")


async def type_into(page: Page, target: Locator, text: str) -> None:
    """Go to a field, and type in place of what is there."""
    await go_to(target)
    await page.keyboard.press("ControlOrMeta+A")
    await page.keyboard.type(text)
