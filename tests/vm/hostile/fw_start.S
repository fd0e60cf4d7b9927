/*
 * fw_start: the last page of a firmware image that holds a guest of this folder: from the reset
 * vector to 32-bit protected mode, the guest's code from flash (FROM, BYTES) to where its loader
 * would have put it, and in. Intel SDM 3A, 9.1.4.
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

	.org 0xfc0
	.code16
real:	cli
	lgdtl %cs:0xf000 + (gdt_pointer - page)
	movl $0x11, %eax		/* CR0: ET, PE */
	movl %eax, %cr0
	ljmpl $8, $0xfffff000

	.org 0xff0
	jmp real
	.org 0x1000
