"""The includes of the tree keep to the rooms."""

import pytest

import include_rules
import velocity


def test_every_include_of_the_tree_is_allowed():
    assert include_rules.faults_in(velocity.SOURCE) == []


@pytest.mark.parametrize("path, include", [
    ("plugins/efi/efi.cpp", '"framework/model/error.hpp"'),
    ("plugins/efi/efi.cpp", '"plugins/disk_image/disk_image.hpp"'),
    ("framework/model/error.cpp", '"framework/store/database.hpp"'),
    ("framework/store/database.cpp", '"framework/service/inventory.hpp"'),
    ("framework/process/program.cpp", '"framework/model/error.hpp"'),
    ("framework/service/machines.cpp", "<libvirt/libvirt.h>"),
    ("framework/service/machines.cpp", '"server/problem.hpp"'),
    ("framework/libvirt/host.cpp", "<SQLiteCpp/SQLiteCpp.h>"),
    ("server/rest/guard.cpp", '"framework/store/database.hpp"'),
    ("server/rest/guard.cpp", '"server/edge/tls.hpp"'),
    ("server/rest/guard.cpp", "<boost/asio/io_context.hpp>"),
    ("server/edge/edge.cpp", "<pistache/http.h>"),
    ("server/edge/edge.cpp", '"framework/libvirt/host.hpp"'),
    ("server/edge/edge.cpp", '"tls.hpp"'),
    ("sdk/include/velocity/plugin.hpp", '"framework/plugin/registry.hpp"'),
])
def test_a_wrong_include_is_found(path, include):
    assert include_rules.faults_of(path, f"#include {include}\n")


@pytest.mark.parametrize("path, include", [
    ("plugins/efi/efi.cpp", "<velocity/plugin.hpp>"),
    ("framework/service/machines.cpp", '"framework/libvirt/host.hpp"'),
    ("framework/plugin/loader.cpp", "<boost/dll/shared_library.hpp>"),
    ("framework/plugin/prober.cpp", '"framework/process/program.hpp"'),
    ("server/rest/guard.cpp", '"server/edge/backend.hpp"'),
    ("server/daemon/daemon.cpp", '"framework/store/database.hpp"'),
    ("server/daemon/daemon.cpp", '"server/edge/edge.hpp"'),
])
def test_a_right_include_is_let_through(path, include):
    assert include_rules.faults_of(path, f"#include {include}\n") == []
