# A Multiboot kernel of a few hundred bytes: says "HELLO FROM A MICROKERNEL: <arguments>" on the first serial port, then sleeps. The power button
# of a q35 machine ("shut down") switches it off.

  .set SERIAL, 0x3f8
  .set PM1_STATUS, 0x600     # where QEMU's q35 has its power management once SeaBIOS has set it up; control is 4 above
  .set POWER_BUTTON, 0x100
  .set SLEEP_S5, 0x2000

  .code32
  .text
  .align 4
header:
  .long 0x1badb002           # magic
  .long 0                    # flags: we need nothing
  .long -0x1badb002          # checksum
  .globl _start
_start:
  cli
  mov $stack, %esp
  mov %ebx, %ebp             # what the boot loader tells us
  mov $hello, %esi
  call say
  testl $4, (%ebp)           # bit 2: there is a command line
  jz 1f
  mov 16(%ebp), %esi
2:lodsb                      # it begins with the kernel's own name
  test %al, %al
  jz 1f
  cmp $' ', %al
  jne 2b
  call say
1:
  mov $line_end, %esi
  call say
  mov $(PM1_STATUS + 2), %dx # let the power button set its status bit
  mov $POWER_BUTTON, %ax
  out %ax, %dx
wait:
  mov $PM1_STATUS, %dx
  in %dx, %ax
  test $POWER_BUTTON, %ax
  jz wait_a_little
  mov $(PM1_STATUS + 4), %dx
  mov $SLEEP_S5, %ax
  out %ax, %dx
wait_a_little:
  mov $100000, %ecx
3:pause
  loop 3b
  jmp wait

say:                         # the text at esi, up to its zero
  lodsb
  test %al, %al
  jz 5f
  mov %al, %bl
  mov $(SERIAL + 5), %dx
4:in %dx, %al                # until the port takes a byte
  test $0x20, %al
  jz 4b
  mov $SERIAL, %dx
  mov %bl, %al
  out %al, %dx
  jmp say
5:ret

hello: .asciz "HELLO FROM A MICROKERNEL: "
line_end: .asciz "\r\n"
  .align 16
  .skip 512
stack:
