# A guest of 1.5 KiB for tests: a "Linux kernel" in 16-bit code, booted by QEMU with -kernel on a q35 machine.
# On the first serial port it says "TINY KERNEL UP: <command line>", answers each byte with "ECHO <byte>", and
#   q          switches the machine off               r   resets it
#   ACPI power button ("shutdown")  says "BYE" and switches the machine off
# It needs no paging, no interrupt handlers of its own and 16 MiB of memory.

  .set PM1_STATUS, 0x600     # where SeaBIOS puts q35's power management block; the enable register is 2 above, control 4 above
  .set POWER_BUTTON, 0x100
  .set SERIAL, 0x3f8
  .set SETUP_SEGMENTS, 0x20  # code runs one setup sector above its own segment

  .code16
  .org 0
  .org 0x1f1
  .byte 1                    # number of setup sectors after the first
  .org 0x1fe
  .word 0xaa55
  .org 0x200                 # the header of the Linux boot protocol, 2.06
  .byte 0xeb, start - (. + 1)
  .ascii "HdrS"
  .word 0x0206
  .org 0x211
  .byte 1                    # loaded high
  .org 0x214
  .long 0x100000
  .org 0x22c
  .long 0x37ffffff           # highest address for an initrd
  .org 0x238
  .long 0x7ff                # longest command line

  .org 0x240
start:
  cli
  mov %cs, %ax
  sub $SETUP_SEGMENTS, %ax
  mov %ax, %ds               # ds:0 is the first byte of this file
  mov $(SERIAL + 3), %dx     # 8 bits, no parity, 1 stop bit
  mov $3, %al
  out %al, %dx
  mov $(PM1_STATUS + 2), %dx # let the power button set its status bit
  mov $POWER_BUTTON, %ax
  out %ax, %dx

  mov $up, %si
  call say
  mov 0x228, %eax            # the header's pointer to the command line
  shr $4, %eax
  push %ds
  mov %ax, %ds
  xor %si, %si
  call say
  pop %ds
  mov $newline, %si
  call say

wait:
  mov $PM1_STATUS, %dx
  in %dx, %ax
  test $POWER_BUTTON, %ax
  jnz leave
  mov $(SERIAL + 5), %dx     # line status: a byte has arrived?
  in %dx, %al
  test $1, %al
  jnz hear
  sti
  hlt                        # the BIOS's timer wakes it 18 times a second
  cli
  jmp wait

hear:
  mov $SERIAL, %dx
  in %dx, %al
  cmp $'q', %al
  je leave
  cmp $'r', %al
  je reset
  mov %al, heard
  mov $echo, %si
  call say
  jmp wait

reset:
  mov $0xcf9, %dx
  mov $6, %al
  out %al, %dx
  jmp wait

leave:
  mov $bye, %si
  call say
  mov $(PM1_STATUS + 4), %dx # soft off: sleep enable, type S5
  mov $0x2000, %ax
  out %ax, %dx
  jmp wait

say:                         # ds:si, up to a zero byte
  lodsb
  test %al, %al
  jz 2f
  mov %al, %bl
1:
  mov $(SERIAL + 5), %dx     # line status: may send?
  in %dx, %al
  test $0x20, %al
  jz 1b
  mov $SERIAL, %dx
  mov %bl, %al
  out %al, %dx
  jmp say
2:
  ret

up:      .asciz "TINY KERNEL UP: "
newline: .asciz "\r\n"
echo:    .ascii "ECHO "
heard:   .asciz "?\r\n"
bye:     .asciz "BYE\r\n"
  .org 0x600
