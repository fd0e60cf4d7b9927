/*
 * fw_start: the last page of a firmware image that holds a guest of this folder: from the reset
 * vector to 32-bit protected mode, the guest's code from flash (FROM, BYTES) to where its loader
 * would have put it, and in. Intel SDM 3A, 9.1.4. And what a TD's loader looks for: kvm-cvm-abi, 4.8.
 */
	.section .text
	.code32
page:
entry:	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $FROM, %esi
	movl $0x1000000, %edi
	movl $BYTES, %ecx
	cld
	rep movsb
	movl $0x1000000, %eax
	jmp *%eax

	.balign 8
gdt:	.quad 0
	.quad 0x00cf9b000000ffff	/* 8: 32-bit code */
	.quad 0x00cf93000000ffff	/* 16: data */
gdt_pointer:
	.word . - gdt - 1
	.long 0xfffff000 + gdt - page

	.org 0xd00
	.code16
real:	cli
	lgdtl %cs:0xf000 + (gdt_pointer - page)
	movl $0x11, %eax		/* CR0: ET, PE */
	movl %eax, %cr0
	ljmpl $8, $0xfffff000

	/* The TDVF descriptor: all of the image is measured, a hand-off block, memory for a stack. */
	.org 0xe00
tdvf:	.ascii "TDVF"
	.long tdvf_end - tdvf, 1, 3
	.long 0, CODE			/* offset and size in the image */
	.quad 0x100000000 - CODE, CODE	/* in memory */
	.long 0, 1			/* firmware; measured */
	.long 0, 0
	.quad 0x809000, 0x2000
	.long 2, 0			/* the hand-off block */
	.long 0, 0
	.quad 0x810000, 0x4000
	.long 3, 0			/* empty memory */
tdvf_end:

	/* The table of GUIDs, from its end: where the descriptor is, how long the table is. */
	.org 0xfe0 - 40
table:	.long 0x1000 - (tdvf - page)
	.word 22
	.byte 0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47, 0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2
	.word 40
	.byte 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45, 0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d

	.org 0xff0
	jmp real
	.org 0x1000
