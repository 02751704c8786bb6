# nm -n -> assembly: a sorted table of (address, name) for backtraces. Only code.
BEGIN { print "\t.section .l0symbols, \"a\"\n\t.globl symbol_table, symbol_count\n\t.align 8\nsymbol_table:" }
$2 ~ /^[tT]$/ && $1 ~ /^ffff/ && $3 !~ /^\./ && $3 != "l0_rodata" { printf "\t.quad 0x%s, name%d\n", $1, n; name[n++] = $3 }
END {
	printf "symbol_count: .quad %d\n", n
	for (i = 0; i < n; i++) printf "name%d: .asciz \"%s\"\n", i, name[i]
	print "\t.section .note.GNU-stack, \"\", @progbits"
}
