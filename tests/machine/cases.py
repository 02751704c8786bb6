"""What the machine tests run and expect, one row each; run (beside this file) walks the rows.

A row runs once, or, with PAIR, bare and under Nestling. Its fields:
  with      what goes to tools/run, or to the job's own program
  job       the program that starts it
  status    exit status, of both runs
  out       regexps that L1's console must show, in both runs
  log       regexps that L0's log must show
  until     stop both runs as soon as L1's console shows this; then the status does not count
  same      'all': both consoles are the same, but for lines that begin with "~" (measurements), and so is
            what L1 writes to the debug port;
            'linux': the lines of L1's and L2's user space are, and L1's kernel has no more warnings
  rules     numbers N for which a line "ok RN ..." must be there
"""
import os
import re

SKYLAKE = {'MODEL': 'corei7_skylake_x'}
HASWELL = {'MODEL': 'corei7_haswell_4770'}
ICELAKE = {'MODEL': 'corei7_icelake_u'}
IVYBRIDGE = {'MODEL': 'corei7_ivy_bridge_3770k'}  # has no VMCS shadowing
PAIR = object()

BARE = {'L0': 'none'}
NESTED = {'L0': 'nestling'}
ONCE = {}  # for a job that runs both by itself


def row(name, runs, options, status=0, **fields):
    return dict(name=name, runs=[BARE, NESTED] if runs is PAIR else [runs], options=options, status=status,
                **{'job': 'tools/run', 'out': [], 'log': [], 'until': None, 'same': None, 'rules': [], **fields})


def refused(name, why, **options):
    return row(f'refusal {name}', NESTED, {'TIMEOUT': '60', **options}, status=1,
               log=[rf'(?m)^nestling: refused: .*({why})'])


def probe(name, image, end='', status=0, **options):
    return row(f'probe {name}', PAIR, {'L1': f'build/test/{image}', 'L1_ARGS': f'a="b c"  d\\\\e {end}', **options},
               status=status, same='all')


def hostile(name, model):
    return row(f'hostile {name}', NESTED, {'L1': 'build/guest/hostile.elf', **model}, out=[r'(?m)^[1-9]\d+ passed, 0 failed'])


def events(name, model):
    return row(name, PAIR, {'L1': 'build/guest/events.elf', 'TIMEOUT': '600', **model}, same='all', out=['(?m)^the end'],
               log=[r'(?m)^L1: 64e, at the start.*\nL1:   GUEST_ES_SELECTOR=10', r'(?m)^L1: 64e inject gp: ept stack:  2: .* EXIT_REASON='])


def linux(name, model):
    return row(name, PAIR, {**model, 'TIMEOUT': '600'}, job='tools/run-linux', same='linux',
               out=['(?m)^L2: ok the end', r'L1: job done\n[\s\S]*\nL1: job done\n', '(?m)^L1: end'])


def pressure(name, seconds, model):
    return row(name, PAIR, {**model, 'L1_ARGS': f'nestling.pressure={seconds}', 'TIMEOUT': '900'}, job='tools/run-linux', same='linux',
               out=[r'L1: job done\n[\s\S]*\nL1: job done\n', '(?m)^L1: end'])


def diff_fuzz(name, status=0, **options):
    return row(f'diff-fuzz {name}', ONCE, {'FUZZ': 'build/guest/fuzz.elf', **options}, status=status, job='tools/diff-fuzz',
               out=['(?m)^ok bare and nested agree'] if status == 0 else [])


def refused_by_fuzz():
    """The rules that refused.def says guest/fuzz breaks."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'refused.def')) as file:
        return re.findall(r'(?m)^M\((\w+), "fuzz', file.read())


MODULES = {'L1_MODULES': 'tests/machine/cases.py one "two  three"; tests/machine/probe.c'}

# VM entries that L0's own checks let pass, and hardware does not: none.
NOT_BY_HARDWARE = r'^(?![\s\S]*refused by hardware)'

# What trace=events says of an exit that has to wait.
EXTINT_IN_FLIGHT = 'L2: in flight: external interrupt 0x31'
FORCED = ('pending: external interrupt: enter, then force an exit: an exit waits for the event in flight '
          r'\(SDM: Event Injection\)')


def decision(who, in_flight, pending, decided, title):
    """A line of trace=events, word for word."""
    return re.escape(f'\nnestling: event: {who}: in flight: {in_flight}; pending: {pending}: {decided} (SDM: {title})\n')


CASES = [
    # The main job: Debian's kernel as L1.
    linux('linux skylake', SKYLAKE),
    linux('linux haswell', HASWELL),
    linux('linux ivybridge', IVYBRIDGE),
    # L2's pages go away all the time: faults while its timer interrupts are delivered.
    pressure('linux pressure', 5, SKYLAKE),

    # Our own L1 programs.
    row('demo skylake', PAIR, {'L1': 'build/guest/demo.elf', **SKYLAKE}, same='all'),
    row('demo haswell', PAIR, {'L1': 'build/guest/demo.elf', **HASWELL}, same='all'),
    row('demo ivybridge', PAIR, {'L1': 'build/guest/demo.elf', **IVYBRIDGE}, same='all'),
    # A refused entry: which rule, the values, a legal one, and all of vmcs12 where that is asked for.
    row('refused entry', NESTED, {'L1': 'build/guest/demo.elf', 'L0_ARGS': 'dump=refused', **SKYLAKE},
        log=[r'L2 entry refused: guest_rflags_fixed: .*: GUEST_RFLAGS=0x0; nearest legal GUEST_RFLAGS=0x2\n',
             r'\*\*\* VMCS \*\*\*\n(nestling: \w+ = 0x[0-9a-f]+\n)+nestling: \*\*\* end of VMCS',
             r'nestling: 0x480: 0x']),
    *[row(f'rules {name}', PAIR, {'L1': 'build/guest/rules.elf', **model}, same='all', rules=range(1, 21), log=[NOT_BY_HARDWARE])
      for name, model in (('skylake', SKYLAKE), ('haswell', HASWELL), ('ivybridge', IVYBRIDGE))],
    row('apic skylake', PAIR, {'L1': 'build/guest/apic.elf', **SKYLAKE}, same='all'),
    row('apic haswell', PAIR, {'L1': 'build/guest/apic.elf', **HASWELL}, same='all'),
    row('apic ivybridge', PAIR, {'L1': 'build/guest/apic.elf', **IVYBRIDGE}, same='all'),

    row('task skylake', PAIR, {'L1': 'build/guest/task.elf', 'TIMEOUT': '600', **SKYLAKE}, same='all', out=['(?m)^the end']),
    row('task ivybridge', PAIR, {'L1': 'build/guest/task.elf', 'TIMEOUT': '600', **IVYBRIDGE}, same='all', out=['(?m)^the end']),

    # L0's memory, attacked; bare there is none.
    hostile('skylake', SKYLAKE),
    hostile('haswell', HASWELL),
    hostile('icelake', ICELAKE),
    hostile('ivybridge', IVYBRIDGE),
    row('hostile bare', BARE, {'L1': 'build/guest/hostile.elf'}, out=['(?m)^skip all: ']),

    # Of two processors L1 gets one, and sees one.
    row('linux on two processors', NESTED, {'CPUS': '2', 'TIMEOUT': '600'}, job='tools/run-linux',
        out=['(?m)^L2: ok the end', '(?m)^L1: processors 1$', '(?m)^L1: end']),
    row('ept skylake', PAIR, {'L1': 'build/guest/ept.elf', **SKYLAKE}, same='all', rules=[78, 82, 83, 84]),
    row('ept haswell', PAIR, {'L1': 'build/guest/ept.elf', **HASWELL}, same='all', rules=[78, 82, 83, 84]),
    row('ept ivybridge', PAIR, {'L1': 'build/guest/ept.elf', **IVYBRIDGE}, same='all', rules=[78, 82, 83, 84]),
    row('ept, no tables left', NESTED, {'L1': 'build/guest/ept.elf', **SKYLAKE}, log=['EPT02 has used up its']),
    # With all of vmcs12 that has changed after each exit.
    events('events skylake', SKYLAKE),
    events('events haswell', HASWELL),
    events('events ivybridge', IVYBRIDGE),
    events('events icelake', ICELAKE),

    # The trace of an exit that waits (docs/events.md): the VM entry that injects, its delivery again after an EPT02
    # violation, and only then exit 1, of which none ever comes with anything in flight.
    row('events, a deferred exit', NESTED,
        {'L1': 'build/guest/events.elf', 'L1_ARGS': 'only=64e+pending+inject+extint:+interrupt', 'TRACE': 'events', **SKYLAKE},
        out=['(?m)^ok 64e pending inject extint: interrupt '],
        log=[rf'event: {EXTINT_IN_FLIGHT}, VM entry; {FORCED}\n(nestling: event: {EXTINT_IN_FLIGHT}; {FORCED}\n)+'
             r'nestling: event: L2: in flight: nothing; pending: external interrupt: exit 1 to L1: external-interrupt exiting ',
             r'^(?![\s\S]*in flight: (?!nothing;)[^;]*; pending: [^:]*: exit \d)']),

    # What it says of the other cases of docs/events.md; and never that an event is delivered where none is in flight.
    row('events, the trace', NESTED, {'L1': 'build/guest/events.elf', 'L1_ARGS': 'only=64e+pending', 'TRACE': 'events', **SKYLAKE},
        out=['(?m)^the end'],
        log=[decision('L2', 'nothing', 'external interrupt', 'exit 1 to L1: external-interrupt exiting', 'Other Causes of VM Exits'),
             decision('L1', 'nothing', 'external interrupt', 'enter, interrupt window awaited: RFLAGS.IF masks interrupts',
                      'Masking Maskable Hardware Interrupts'),
             decision('L1', 'nothing', 'external interrupt', 'enter with it injected: the guest takes the interrupt',
                      'VM-Entry Controls for Event Injection'),
             decision('L1', 'external interrupt 0x41', 'nothing', 'enter: the event in flight is delivered', 'Event Injection'),
             decision('L2', 'VM entry', 'external interrupt', 'enter, then force an exit: an exit waits until VM entry is complete',
                      'Special Features of VM Entry'),
             decision('L2', 'VM entry', 'debug trap, external interrupt',
                      'enter, then force an exit: an exit waits for pending debug exceptions',
                      'Delivery of Pending Debug Exceptions after VM Entry'),
             decision('L2', 'hardware exception #GP, VM entry', 'NMI',
                      'enter, then force an exit: an exit waits for the event in flight', 'Event Injection'),
             decision('L2', 'NMI, VM entry', 'nothing', 'enter: the event in flight is delivered', 'Event Injection'),
             decision('L2', 'nothing', 'NMI, external interrupt', 'exit 0 to L1: NMI exiting', 'Other Causes of VM Exits'),
             decision('L2', 'nothing', 'external interrupt', 'exit 7 to L1: interrupt-window exiting, and the window is open',
                      'Interrupt-Window Exiting and Virtual-Interrupt Delivery'),
             decision('L2', 'nothing', 'preemption timer, external interrupt',
                      'exit 52 to L1: the VMX-preemption timer has run out', 'VMX-Preemption Timer'),
             decision('L1', 'nothing', 'NMI', 'enter, NMI window awaited: NMIs are blocked', 'Interruptibility State'),
             decision('L1', 'nothing', 'NMI', 'enter with it injected: the guest takes the NMI',
                      'VM-Entry Controls for Event Injection'),
             r'^(?![\s\S]*in flight: nothing;[^\n]*: the event in flight is delivered)']),

    # VM entries at random, the same bare and nested.
    row('refused by name', NESTED, {'L1': 'build/guest/fuzz.elf', 'L1_ARGS': 'seed=1 n=100000', 'TIMEOUT': '600', **SKYLAKE},
        log=[f'L2 entry refused: {rule}: ' for rule in refused_by_fuzz()]),
    diff_fuzz('skylake', SEED='1', N='100000', **SKYLAKE),
    diff_fuzz('haswell', SEED='2', N='100000', **HASWELL),
    diff_fuzz('ivybridge', SEED='3', N='20000', **IVYBRIDGE),
    diff_fuzz('not a number', N='many', status=2),

    # Somebody else's, that knows nothing of VMX.
    row('memtest86+', PAIR, {'L1': 'build/test/memtest86+x64.bin', 'L1_ARGS': 'console=ttyS0,115200', 'TIMEOUT': '300'},
        until=r'#3  \[Moving inversions', out=[r'Memtest86\+', r'Errors: 0 ', r'^(?![\s\S]*Errors: [1-9])']),

    # Loading: every form of image, with arguments and modules.
    probe('multiboot', 'probe.elf', **MODULES),
    probe('multiboot, address fields', 'probe-flat.bin', **MODULES),
    probe('multiboot2, ELF32', 'probe2.elf', **MODULES),
    probe('multiboot2, ELF64', 'probe2.elf64', **MODULES),
    probe('multiboot by name', 'probe.elf', L1_PROTOCOL='multiboot'),
    # The ways to end.
    probe('ACPI power-off', 'probe.elf', 'acpi'),
    probe('triple fault', 'probe.elf', 'triple-fault', status=1),
    probe('reset by the keyboard controller', 'probe.elf', 'reset-keyboard', status=1),
    probe('reset by port CF9', 'probe.elf', 'reset-cf9', status=1),
    probe('time-out', 'probe.elf', 'hang', status=124, TIMEOUT='8'),

    # Machines that will not do.
    refused('no VMX, BIOS', 'VMX|VT-x', L1='build/test/probe.elf', MACHINE='tcg'),
    refused('no VMX, UEFI', 'VMX|VT-x', L1='build/test/probe.elf', MACHINE='tcg', FIRMWARE='uefi'),
    refused('no EPT', 'EPT|unrestricted', L1='build/test/probe.elf', MODEL='core2_penryn_t9600'),
    refused('too little memory', 'memory', L1='build/test/probe.elf', MEM='8'),
    # L1s that cannot be started.
    refused('no L1', 'L1', L1='none'),
    refused('noise', '', L1='build/test/noise'),
    refused('empty', '', L1='build/test/empty'),
    refused('cut multiboot', '', L1='build/test/cut-probe.elf'),
    refused('cut multiboot2', '', L1='build/test/cut-probe2.elf'),
    refused('cut Linux setup', '', L1='build/test/cut-linux-setup'),
    refused('cut Linux', '', L1='build/test/cut-linux'),
    refused('L1 over video memory', '', L1='build/test/probe-on-video.elf'),
    refused('L1 over L0', 'Nestling itself is at', L1='build/test/probe-on-l0.elf'),
    refused('L1 where no memory is', '', L1='build/test/probe-no-memory.elf'),
    refused('another protocol', 'no linux image.*is a multiboot image', L1='build/test/probe.elf', L1_PROTOCOL='linux'),
    refused('unknown multiboot flag', '', L1='build/test/probe-unknown-flag.elf'),
    refused('unknown multiboot2 tag', '', L1='build/test/probe2-unknown-tag.elf'),

    # The runner itself.
    row('runner: an unknown name', NESTED, {'SPEED': '1'}, status=2),
    row('runner: no such file', NESTED, {'L1': 'build/test/nothing'}, status=2),
    row('runner: stopped', NESTED, {'L1': 'build/test/probe.elf', 'L1_ARGS': 'hang'}, job='tests/machine/stopped',
        out=['(?m)^ok SIGINT: no process is left', '(?m)^ok SIGKILL: no process is left']),
    row('runner: LOG is a folder', BARE, {'L1': 'build/test/probe.elf', 'LOG': '/'}, status=2),
    row('runner: no such model', BARE, {'L1': 'build/test/probe.elf', 'MODEL': 'z80'}, status=2),
    row('runner: not a number', BARE, {'L1': 'build/test/probe.elf', 'MEM': 'much'}, status=2),
    row('runner: no known image', BARE, {'L1': 'build/test/noise'}, status=2),
    row('runner: an image GRUB refuses', BARE, {'L1': 'build/test/cut-probe.elf'}, status=2),
]
