"""The plots of tools/bench: SVG, written out."""
import math

COLOURS = dict(bare='#e0a030', nestling='#1f6f8b', kvm='#c8c8c8')
TITLES = dict(bare='bare', nestling='Nestling', kvm='KVM')
CURVES = dict(
    exit_vmcs12s='an exit, against vmcs12s that take turns',
    exit_ept12s='an exit, against EPT12s that take turns',
    exit_l2_memory_mib="an exit, against L2's memory in use (MiB)",
    exit_ept12_entries='an exit, against entries of EPT12 in use',
    exit_l1_memory_mib="an exit, against L1's memory (MiB)",
    first_touch_pages='first touch of a page, against 4 KiB pages mapped already',
    first_touch_2m_pages='the same where EPT12 has 2 MiB pages')


def image(width, height, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">\n'
            '<rect width="100%" height="100%" fill="white"/>\n' + '\n'.join(parts) + '\n</svg>\n')


def text(x, y, words, anchor='start', size=12):
    words = str(words).replace('&', '&amp;').replace('<', '&lt;')
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{words}</text>'


def line(x1, y1, x2, y2, colour='#dddddd'):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def box(x, y, width, height, colour):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def legend(x, y, names):
    return [part for i, name in enumerate(names)
            for part in (box(x + 90 * i, y - 9, 10, 10, COLOURS[name]), text(x + 90 * i + 15, y, TITLES[name]))]


def bars(figures):
    """{figure: {L0: instructions added, or None}} -> bars on a logarithmic scale."""
    l0s = [l0 for l0 in ('nestling', 'kvm') if any(of[l0] is not None for of in figures.values())]
    left, right, top, bar, width = 190, 70, 60, 11, 860
    step = bar * len(l0s) + 9
    height = top + step * len(figures) + 30
    highest = max([of[l0] or 0 for of in figures.values() for l0 in l0s] + [10])
    decades = math.ceil(math.log10(highest))
    scale = (width - left - right) / decades
    parts = [text(left, 20, 'Instructions that a hypervisor adds over the bare machine', size=15)]
    parts += legend(left, 40, l0s)
    for decade in range(decades + 1):
        x = left + decade * scale
        parts += [line(x, top - 6, x, height - 25), text(x, height - 10, f'{10 ** decade:,}', 'middle')]
    for row, (name, of) in enumerate(figures.items()):
        y = top + row * step
        parts.append(text(left - 8, y + bar * len(l0s) / 2 + 4, name, 'end'))
        for i, l0 in enumerate(l0s):
            if of[l0] is None:
                continue
            length = math.log10(of[l0]) * scale if of[l0] > 1 else 0
            parts += [box(left, y + i * bar, length, bar - 1, COLOURS[l0]),
                      text(left + length + 4, y + i * bar + 9, f'{of[l0]:,}', size=10)]
    return image(width, height, parts)


def panel(left, top, width, height, title, of):
    """One curve: instructions from 0 up, against what grows on a logarithmic scale."""
    points = [point for l0 in of for point in of[l0]]
    low, high = (math.log10(f(x for x, _ in points)) for f in (min, max))
    most = max(y for _, y in points) * 1.15 or 1
    at_x = lambda x: left + (math.log10(x) - low) / ((high - low) or 1) * width
    at_y = lambda y: top + height - y / most * height
    parts = [text(left, top - 10, title), line(left, top + height, left + width, top + height, '#888888'),
             line(left, top, left, top + height, '#888888')]
    for x in sorted({x for x, _ in points} if len(points) < 16 else {10 ** d for d in range(9) if low <= d <= high}):
        parts.append(text(at_x(x), top + height + 15, f'{x:,}', 'middle', 10))
    for l0 in of:
        path = ' '.join(f'{at_x(x):.1f},{at_y(y):.1f}' for x, y in sorted(of[l0]))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[l0]}" stroke-width="2"/>')
        x, y = max(of[l0])
        parts.append(text(at_x(x) + 5, at_y(y) + 4, f'{y:,}', size=10))
    return parts


def curves(found):
    """{curve: {L0: [[x, instructions], ...]}} -> one panel for each."""
    across, width, height = 2, 300, 130
    parts = [text(60, 22, 'Instructions, as things grow', size=15), *legend(300, 22, ('bare', 'nestling'))]
    for i, (name, of) in enumerate(found.items()):
        left, top = 60 + i % across * (width + 110), 70 + i // across * (height + 65)
        parts += panel(left, top, width, height, CURVES.get(name, name), of)
    rows = -(-len(found) // across)
    return image(60 + across * (width + 110), 60 + rows * (height + 65), parts)
