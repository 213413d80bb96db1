#include "framework/libvirt/states.hpp"

#include <gtest/gtest.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "framework/libvirt/errors.hpp"
#include "framework/model/names.hpp"

namespace velocity::libvirt {
namespace {

using model::ErrorCode;
using model::MachineState;

struct StateCase {
  int state, reason;
  MachineState expected;
  const char* cause;
};

TEST(States, EachStateAndReasonHasItsPlace) {
  const StateCase cases[] = {
      {VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED, MachineState::RUNNING, ""},
      {VIR_DOMAIN_BLOCKED, 0, MachineState::RUNNING, ""},
      {VIR_DOMAIN_NOSTATE, 0, MachineState::RUNNING, ""},
      {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER, MachineState::PAUSED, ""},
      {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_IOERROR, MachineState::PAUSED, "i/o error"},
      {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_STARTING_UP, MachineState::STARTING, ""},
      {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_SHUTTING_DOWN, MachineState::STOPPING, "shutdown"},
      {VIR_DOMAIN_PMSUSPENDED, 0, MachineState::PAUSED, "suspended by the guest"},
      {VIR_DOMAIN_SHUTDOWN, 0, MachineState::STOPPING, "shutdown"},
      {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_UNKNOWN, MachineState::STOPPED, ""},
      {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_SHUTDOWN, MachineState::STOPPED, "shutdown"},
      {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DESTROYED, MachineState::STOPPED, "destroyed"},
      {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_CRASHED, MachineState::STOPPED, "crashed"},
      {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_FAILED, MachineState::STOPPED, "failed"},
      {VIR_DOMAIN_CRASHED, 0, MachineState::STOPPED, "crashed"},
  };
  for (const auto& [state, reason, expected, cause] : cases) {
    const auto runtime = runtime_of(state, reason);
    EXPECT_EQ(runtime.state, expected) << state << "/" << reason << " became " << model::name(runtime.state);
    EXPECT_EQ(runtime.cause, cause) << state << "/" << reason;
  }
}

TEST(States, AnEventSaysTheSameAsTheStateAfterIt) {
  const auto stopped = [](int detail) { return runtime_after(VIR_DOMAIN_EVENT_STOPPED, detail)->cause; };
  EXPECT_EQ(stopped(VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN), runtime_of(VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_SHUTDOWN).cause);
  EXPECT_EQ(stopped(VIR_DOMAIN_EVENT_STOPPED_DESTROYED), runtime_of(VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DESTROYED).cause);
  EXPECT_EQ(stopped(VIR_DOMAIN_EVENT_STOPPED_FAILED), runtime_of(VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_CRASHED).cause);
  EXPECT_EQ(runtime_after(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED)->state, MachineState::PAUSED);
  EXPECT_EQ(runtime_after(VIR_DOMAIN_EVENT_SHUTDOWN, 0)->state, MachineState::STOPPING);
  EXPECT_FALSE(runtime_after(VIR_DOMAIN_EVENT_DEFINED, 0));
  EXPECT_FALSE(runtime_after(VIR_DOMAIN_EVENT_UNDEFINED, 0));
}

TEST(Errors, EachNumberOfLibvirtsBecomesOneOfOurs) {
  EXPECT_EQ(error_code(VIR_ERR_NO_DOMAIN, VIR_FROM_QEMU), ErrorCode::hypervisor_not_found);
  EXPECT_EQ(error_code(VIR_ERR_OPERATION_INVALID, VIR_FROM_QEMU), ErrorCode::hypervisor_wrong_state);
  EXPECT_EQ(error_code(VIR_ERR_XML_INVALID_SCHEMA, VIR_FROM_DOMAIN), ErrorCode::hypervisor_refused);
  EXPECT_EQ(error_code(VIR_ERR_CONFIG_UNSUPPORTED, VIR_FROM_QEMU), ErrorCode::hypervisor_refused);
  EXPECT_EQ(error_code(VIR_ERR_OPERATION_TIMEOUT, VIR_FROM_QEMU), ErrorCode::hypervisor_timeout);
  EXPECT_EQ(error_code(VIR_ERR_SYSTEM_ERROR, VIR_FROM_RPC), ErrorCode::hypervisor_unavailable);
  EXPECT_EQ(error_code(VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC), ErrorCode::hypervisor_unavailable);
  EXPECT_EQ(error_code(VIR_ERR_INTERNAL_ERROR, VIR_FROM_QEMU), ErrorCode::hypervisor_failed);
  EXPECT_EQ(error_code(VIR_ERR_SYSTEM_ERROR, VIR_FROM_QEMU), ErrorCode::hypervisor_failed);
}

}  // namespace
}  // namespace velocity::libvirt
