// The smallest guest that behaves: a UEFI application that says on the first serial port that it runs, and switches the machine off when
// the power button is pressed. Firmware runs it from \EFI\BOOT\BOOTX64.EFI; no operating system follows.
// Built several times by tests/support/guests/build, with at most one of these:
//   GUEST_DEAF     ignores the power button
//   GUEST_BRIEF    switches itself off two seconds after it started
//   GUEST_CHATTY   writes numbered lines without end
//   GUEST_CRASH    triple-faults two seconds after it started
// It says before that what it finds of a TPM (asked through the firmware) and of Apple's system management controller: the sum of its key.
// On the serial line it obeys single characters: p prints pong, q switches off, r resets; anything else is echoed.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

static void out8(u16 port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static void out16(u16 port, u16 value) { __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port)); }
static u8 in8(u16 port) {
  u8 value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static u16 in16(u16 port) {
  u16 value;
  __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

enum { kSerial = 0x3f8, kSerialStatus = 0x3fd, kByteWaits = 0x01, kMayWrite = 0x20 };

static void put(u8 byte) {
  while (!(in8(kSerialStatus) & kMayWrite)) {
  }
  out8(kSerial, byte);
}
static void say(const char* text) {
  while (*text) put((u8)*text++);
}
static void say_number(u64 number) {
  char digits[21];
  int i = 20;
  digits[i] = 0;
  do digits[--i] = (char)('0' + number % 10);
  while (number /= 10);
  say(digits + i);
}

// The UEFI tables, as far as they are used here: UEFI 2.10, sections 4.3, 4.4 and 4.6.
typedef struct {
  u64 guid[2];
  u8* table;
} ConfigurationTable;
typedef struct {
  u8 header[24];
  void* services[29];  // up to SetWatchdogTimer
  u64 (*set_watchdog)(u64 seconds, u64 code, u64 size, u16* data);
  void* more_services[7];  // up to LocateProtocol
  u64 (*locate_protocol)(const u64 guid[2], void* registration, void** protocol);
} BootServices;
typedef struct {
  u8 header[24];
  void* others[9];  // vendor, revision, the three consoles
  BootServices* boot;
  u64 tables;
  ConfigurationTable* table;
} SystemTable;

static u32 read32(const u8* at) { return (u32)at[0] | (u32)at[1] << 8 | (u32)at[2] << 16 | (u32)at[3] << 24; }
static u64 read64(const u8* at) { return (u64)read32(at) | (u64)read32(at + 4) << 32; }

// ACPI's power registers, out of the FADT: ACPI 6.5, sections 5.2.9 and 4.8.3.
typedef struct {
  u16 status, enable, control;
} PowerPorts;
enum { kPowerButton = 1 << 8, kSleepNow = 1 << 13 };

static const u8* find_fadt(const SystemTable* system) {
  static const u64 kAcpi20[2] = {0x11d3e4f18868e871ULL, 0x81883cc7800022bcULL};
  for (u64 i = 0; i < system->tables; ++i) {
    if (system->table[i].guid[0] != kAcpi20[0] || system->table[i].guid[1] != kAcpi20[1]) continue;
    const u8* xsdt = (const u8*)read64(system->table[i].table + 24);
    for (u32 at = 36; at + 8 <= read32(xsdt + 4); at += 8) {
      const u8* table = (const u8*)read64(xsdt + at);
      if (read32(table) == 0x50434146) return table;  // "FACP"
    }
  }
  return 0;
}

static int find_power(const SystemTable* system, PowerPorts* ports) {
  const u8* fadt = find_fadt(system);
  if (!fadt) return 0;
  ports->status = (u16)read32(fadt + 56);
  ports->control = (u16)read32(fadt + 64);
  ports->enable = (u16)(ports->status + fadt[88] / 2);
  return 1;
}

// TCG EFI Protocol Specification 1.0, section 6.4: the size that we know, and whether a TPM answers.
typedef struct {
  u8 size, others[15], present, more[19];
} TpmCapability;
typedef struct Tcg2 {
  u64 (*get_capability)(const struct Tcg2* self, TpmCapability* capability);
} Tcg2;

static void tell_of_tpm(const SystemTable* system) {
  static const u64 kTcg2[2] = {0x42be7455607f766cULL, 0x0f72b26dd7e40b93ULL};
  void* found = 0;
  TpmCapability capability = {.size = sizeof capability};
  if (system->boot->locate_protocol(kTcg2, 0, &found) != 0 || !found) return;
  const Tcg2* tcg2 = found;
  if (tcg2->get_capability(tcg2, &capability) == 0 && capability.present) say("guest: a TPM answers\r\n");
}

// Apple's system management controller, "APP0001" as ACPI packs it (6.5, section 19.3.4), anywhere among the devices of the DSDT.
static int has_apple_smc(const u8* fadt) {
  const u8* dsdt = (const u8*)(u64)read32(fadt + 40);
  for (u32 at = 36; at + 4 <= read32(dsdt + 4); ++at)
    if (read32(dsdt + at) == 0x01001006) return 1;
  return 0;
}

// Reads the two halves of its key and says their sum (FNV-1a), never the key. Ports as in Linux's applesmc.c.
static void tell_of_apple_smc(const SystemTable* system) {
  enum { kData = 0x300, kCommand = 0x304, kRead = 0x10, kHalf = 32 };
  const u8* fadt = find_fadt(system);
  if (!fadt || !has_apple_smc(fadt)) return;
  u64 sum = 0xcbf29ce484222325ULL;
  for (u8 half = '0'; half <= '1'; ++half) {
    const u8 name[4] = {'O', 'S', 'K', half};
    out8(kCommand, kRead);
    for (int i = 0; i < 4; ++i) out8(kData, name[i]);
    out8(kData, kHalf);
    for (int i = 0; i < kHalf; ++i) sum = (sum ^ in8(kData)) * 0x100000001b3ULL;
  }
  say("guest: APP0001 with a key whose sum is ");
  say_number(sum);
  say("\r\n");
}

static void power_off(const PowerPorts* ports) {
  say("guest: powering off\r\n");
  out16(ports->control, kSleepNow);  // QEMU's S5 has sleep type 0
}

static void obey(u8 byte, const PowerPorts* ports) {
  if (byte == 'p') say("pong\r\n");
  else if (byte == 'q') power_off(ports);
  else if (byte == 'r') out8(0xcf9, 6);
  else put(byte);
}

static void triple_fault(void) {
  static const struct {
    u16 limit;
    u64 base;
  } __attribute__((packed)) kNoInterrupts = {0, 0};
  say("guest: crashing\r\n");
  __asm__ volatile("lidt %0; int3" ::"m"(kNoInterrupts));
}

u64 efi_main(void* image, const SystemTable* system) {
  (void)image;
  PowerPorts ports = {0, 0, 0};
  system->boot->set_watchdog(0, 0, 0, 0);  // or the firmware resets us after five minutes
  if (!find_power(system, &ports)) say("guest: no ACPI\r\n");
  out16(ports.enable, kPowerButton);
  out16(ports.status, kPowerButton);
  tell_of_tpm(system);
  tell_of_apple_smc(system);
  say("VELOCITY-GUEST-READY\r\n");
  for (u64 ticks = 0;; ++ticks) {
    __asm__ volatile("sti; hlt");  // until the firmware's timer, 100 times a second
    while (in8(kSerialStatus) & kByteWaits) obey(in8(kSerial), &ports);
#if !defined(GUEST_DEAF)
    if (in16(ports.status) & kPowerButton) power_off(&ports);
#endif
#if defined(GUEST_BRIEF)
    if (ticks == 200) power_off(&ports);
#elif defined(GUEST_CRASH)
    if (ticks == 200) triple_fault();
#elif defined(GUEST_CHATTY)
    for (int i = 0; i < 64; ++i) {
      say("line ");
      say_number(ticks * 64 + (u64)i);
      say(" of a guest that never stops talking\r\n");
    }
#endif
  }
}
