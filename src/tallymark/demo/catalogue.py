"""The invented shop: its hosts, pages, products and the words that become item names."""

from __future__ import annotations

import dataclasses

__all__ = [
    "CHECKOUT_HOST",
    "PAGES",
    "PRODUCTS",
    "PRODUCT_PAGES",
    "SHOP_HOST",
    "SHOP_NAME",
    "Page",
    "Product",
]

SHOP_NAME = "Lumenloft"
SHOP_HOST = "www.lumenloft.example"
CHECKOUT_HOST = "checkout.lumenloft.example"


@dataclasses.dataclass(frozen=True, slots=True)
class Product:
    """One thing for sale.

    Attributes:
        sku: The first part of the item id.
        slug: The last step of the product page's path.
        name: What the item list calls it.
        cents: Unit price in hundredths of the currency's unit.
        weight: How often it is looked at and bought, relative to the others.
        variants: Finishes and sizes; each is an item variant.
    """

    sku: str
    slug: str
    name: str
    cents: int
    weight: float
    variants: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """A page of the shop.

    Attributes:
        path: Path, and for some a variant query.
        landing: Weight as the first page of a visit.
        inner: Weight as a later page.
        product: Index of the product it shows, or -1.
    """

    path: str
    landing: float
    inner: float
    product: int = -1


_METAL = ("Brushed Brass", "Matte Black", "Nickel")
_WOOD = ("Oak / 35 cm", "Walnut / 35 cm", 'Walnut / 18" shade')
_SHADE = ("Linen, Natural", "Linen, Charcoal", "Opal Glass")
_SIZE = ("Small (60 x 40)", "Medium (90 x 60)", "Large (120 x 80)")

PRODUCTS: tuple[Product, ...] = (
    Product("LMP-ARC", "arc-floor-lamp", "Arc Floor Lamp", 38900, 9, _METAL),
    Product("LMP-TRI", "tripod-floor-lamp", "Tripod Floor Lamp", 32900, 7, _WOOD),
    Product("LMP-RDN", "reading-nook-lamp", "Reading Nook Lamp", 24900, 6, _METAL),
    Product("PEN-DOM", "dome-pendant", "Dome Pendant", 27500, 9, _METAL),
    Product("PEN-CLS", "cluster-pendant", "Cluster Pendant, Five Lights", 64900, 5, _SHADE),
    Product("PEN-LIN", "linear-pendant", "Linear Pendant", 54900, 5, _METAL),
    Product("PEN-PPR", "paper-moon-pendant", "Paper Moon Pendant", 15900, 8, _SIZE),
    Product("CHN-HAL", "halo-chandelier", "Halo Chandelier", 118900, 3, _METAL),
    Product("CHN-BRN", "branch-chandelier", "Branch Chandelier", 96900, 2, _METAL),
    Product("TBL-MSH", "mushroom-table-lamp", "Mushroom Table Lamp", 18900, 9, _SHADE),
    Product("TBL-DSK", "pivot-desk-lamp", "Pivot Desk Lamp", 21900, 8, _METAL),
    Product("TBL-CER", "ceramic-table-lamp", "Ceramic Table Lamp", 19900, 5, _SHADE),
    Product("TBL-PRT", "picnic-portable-lamp", "Picnic Portable Lamp", 15500, 6, _METAL),
    Product("WAL-SCN", "swing-arm-sconce", "Swing-Arm Sconce", 22900, 6, _METAL),
    Product("WAL-PIC", "gallery-picture-light", "Gallery Picture Light", 26900, 3, _METAL),
    Product("OUT-LTN", "harbour-lantern", "Harbour Lantern", 23900, 4, _METAL),
    Product("OUT-STR", "garden-string-lights", "Garden String Lights, 20 m", 17900, 5, _SIZE),
    Product("FUR-LFT", "loft-console-table", "Loft Console Table", 74900, 3, _WOOD),
    Product("FUR-BNC", "window-bench", "Window Bench", 58900, 3, _WOOD),
    Product("FUR-SHL", "ladder-shelf", "Ladder Shelf", 43900, 4, _WOOD),
    Product("MIR-RND", "porthole-mirror", "Porthole Mirror", 31900, 4, _SIZE),
    Product("RUG-WOV", "woven-wool-rug", 'Woven Wool Rug "Dune"', 46900, 4, _SIZE),
)

_COLLECTIONS = ("floor-lamps", "pendants", "table-lamps", "wall-lights", "outdoor", "furniture")
_STORIES = (
    "how-bright-should-a-reading-lamp-be",
    "warm-light-or-cold-light",
    "lighting-a-small-kitchen",
    "what-is-colour-rendering",
    "hanging-a-pendant-over-a-table",
    "five-lamps-for-renters",
    "dimmers-explained",
    "a-calmer-bedroom",
    "caring-for-brass",
    "outdoor-lights-and-rain",
)
_SERVICE = ("about", "delivery-and-returns", "reviews", "faq", "contact", "lighting-plan")


def _pages() -> tuple[Page, ...]:
    pages = [Page("/", 34, 14), Page("/cart", 0, 9), Page("/search?q=lamp", 0, 5)]
    pages += [Page(f"/collections/{name}", 5, 7) for name in _COLLECTIONS]
    pages += [Page(f"/journal/{name}", 3, 1) for name in _STORIES]
    pages += [Page(f"/pages/{name}", 0.6, 1.2) for name in _SERVICE]
    for index, product in enumerate(PRODUCTS):
        path = f"/products/{product.slug}"
        pages.append(Page(path, product.weight * 0.7, product.weight * 0.9, index))
        for variant in product.variants[1:]:
            word = "".join(c if c.isalnum() else "-" for c in variant.lower()).strip("-")
            weight = product.weight * 0.12
            pages.append(Page(f"{path}?option={word}", weight, weight, index))
    return tuple(pages)


PAGES: tuple[Page, ...] = _pages()
"""All pages, the home page first."""

PRODUCT_PAGES: tuple[int, ...] = tuple(
    next(at for at, page in enumerate(PAGES) if page.product == index)
    for index in range(len(PRODUCTS))
)
"""For each product, the index of its plain page."""
