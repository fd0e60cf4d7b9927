/*
 * guest_start: the head of the test guest: a bzImage setup header (Linux x86 boot protocol 2.12),
 * and the way from 32-bit protected mode (docs/launch.md) to C in 64-bit mode, with the first
 * 4 GiB mapped one to one. Interrupts stay off; an exception is a triple fault, which ends us.
 * ap_start to ap_end is where the second vCPU begins, in real mode; guest.c copies it to AP_PAGE.
 */
	.section .setup, "a"
	.org 0x1f1
	.byte 1				/* setup_sects */
	.org 0x1fe
	.word 0xaa55
	.byte 0xeb, 0x66		/* jump: the header ends at 0x268 */
	.ascii "HdrS"
	.word 0x020c			/* version */
	.org 0x210
	.byte 0				/* type_of_loader */
	.byte 1				/* loadflags: LOADED_HIGH */
	.org 0x22c
	.long 0x7fffffff		/* initrd_addr_max */
	.long 0x1000			/* kernel_alignment */
	.byte 1, 12			/* relocatable_kernel, min_alignment */
	.word 0
	.long 2047			/* cmdline_size */
	.org 0x258
	.quad 0x1000000			/* pref_address */
	.long 0x100000			/* init_size */

	.section .start, "ax"
	.code32
	.globl _start
_start:
	movl $stack_end, %esp
	movl $tables + 0x1000, %eax	/* PML4: one entry */
	orl $3, %eax
	movl %eax, tables
	movl $tables + 0x2000, %eax	/* PDPT: four */
	orl $3, %eax
	movl $tables + 0x1000, %edi
	movl $4, %ecx
1:	movl %eax, (%edi)
	addl $0x1000, %eax
	addl $8, %edi
	loop 1b
	movl $0x83, %eax		/* 2048 pages of 2 MiB: present, writable, large */
	movl $tables + 0x2000, %edi
	movl $2048, %ecx
2:	movl %eax, (%edi)
	addl $0x200000, %eax
	addl $8, %edi
	loop 2b
	movl $guest_main, %ebx
	lgdt gdt_pointer

	/* %ebx: where to go in 64-bit mode, on this stack. */
paging_on:
	movl $0x20, %eax		/* CR4.PAE */
	movl %eax, %cr4
	movl $tables, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx		/* EFER.LME */
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl $0x80000011, %eax		/* CR0: PG, ET, PE */
	movl %eax, %cr0
	ljmp $8, $long_mode

ap_protected:
	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $ap_stack_end, %esp
	movl $guest_ap, %ebx
	jmp paging_on

	.code64
long_mode:
	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %ebx, %ebx
	call *%rbx
3:	hlt
	jmp 3b

	.code16
	.globl ap_start, ap_end
ap_start:
	cli
	lgdtl %cs:ap_gdt_pointer - ap_start
	movl $0x11, %eax		/* CR0: ET, PE */
	movl %eax, %cr0
	ljmpl $24, $ap_protected
	.balign 8
ap_gdt_pointer:
	.word 31
	.long gdt
ap_end:

	.balign 8
gdt:	.quad 0
	.quad 0x00af9b000000ffff	/* 8: 64-bit code */
	.quad 0x00cf93000000ffff	/* 16: data */
	.quad 0x00cf9b000000ffff	/* 24: 32-bit code */
gdt_pointer:
	.word . - gdt - 1
	.long gdt

	.bss
	.balign 4096
tables:	.skip 6 * 4096
	.skip 16384
stack_end:
	.skip 16384
ap_stack_end:
