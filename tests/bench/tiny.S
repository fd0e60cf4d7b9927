/*
 * tiny: the smallest bzImage. Its first instruction writes '!' to the serial port; then it halts.
 * Both ways in: 16-bit at byte 0x200 (a loader that runs setup code, as QEMU's firmware does) and
 * 32-bit at byte 0x400 (a loader that does not, as ours). Linux x86 boot protocol 2.12.
 */
	.code16
	.section .text
	.globl _start
_start:
	.org 0x1f1
	.byte 1				/* setup_sects */
	.word 0				/* root_flags */
	.long (end - code32 + 15) / 16	/* syssize */
	.org 0x1fe
	.word 0xaa55
	.byte 0xeb, setup - 1f		/* jump */
1:	.ascii "HdrS"
	.word 0x020c			/* version */
	.org 0x210
	.byte 0				/* type_of_loader */
	.byte 1				/* loadflags: LOADED_HIGH */
	.word 0
	.long 0x100000			/* code32_start */
	.org 0x22c
	.long 0x7fffffff		/* initrd_addr_max */
	.long 0x1000			/* kernel_alignment */
	.byte 1, 12			/* relocatable_kernel, min_alignment */
	.word 0
	.long 2047			/* cmdline_size */
	.org 0x258
	.quad 0x1000000			/* pref_address */
	.long 0x10000			/* init_size */
	.org 0x268
setup:
	movw $0x3f8, %dx
	movb $'!', %al
	outb %al, %dx
	movb $'\n', %al
	outb %al, %dx
	cli
2:	hlt
	jmp 2b
	.org 0x400
	.code32
code32:
	movl $0x3f8, %edx
	movb $'!', %al
	outb %al, %dx
	movb $'\n', %al
	outb %al, %dx
	cli
3:	hlt
	jmp 3b
	.balign 16
end:
