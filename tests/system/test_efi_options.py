"""What an EFI machine may be given beside its disks: Secure Boot, a TPM, and what cloud-init reads."""

import velocity


def boot(server, name, guest, **more):
    """A machine of its own disk, started."""
    stid = server.upload(velocity.guest(guest), name)
    vmid = server.machine(name, server.catalog(name), [stid], **more)
    server.change(vmid, "RUNNING").expect(200)
    return vmid


def stop(server, vmid):
    assert server.change(vmid, "STOPPED", force=True).expect(200).json["state"] == "STOPPED"


def test_more_processors_than_the_host_gives_are_refused_with_the_most_that_there_are(real_server):
    fields = {"name": "wide", "catalog": real_server.catalog("wide"), "memory_size_mb": 64, "dry_run": True}
    refusal = real_server.call("PUT", "/v/efi", cpu_count=300, **fields).expect(400).json
    assert refusal["code"] == "request.invalid"
    assert [problem["path"] for problem in refusal["problems"]] == ["/cpu_count"]
    most = int(refusal["problems"][0]["message"].split("at most ")[1].split()[0])
    real_server.call("PUT", "/v/efi", cpu_count=most, **fields).expect(200)


def test_an_unsigned_loader_is_refused_with_secure_boot_and_runs_without(real_server):
    vmid = boot(real_server, "secure", "tiny", secure_boot=True, memory_size_mb=256)
    console = real_server.await_text(vmid, "Access Denied", 240)
    assert "VELOCITY-GUEST-READY" not in console
    assert real_server.call("GET", "/v", vmid=vmid).json["secure_boot"] is True
    stop(real_server, vmid)
    assert "VELOCITY-GUEST-READY" not in real_server.console(vmid)
    disk = real_server.call("GET", "/v", vmid=vmid).json["storage_devices"][0]
    real_server.call("DELETE", "/v", vmid=vmid).expect(200)

    plain = real_server.machine("insecure", real_server.catalog("insecure"), [disk])
    real_server.change(plain, "RUNNING").expect(200)
    assert "Access Denied" not in real_server.await_text(plain)
    stop(real_server, plain)


def test_a_guest_sees_its_tpm_and_the_tpm_goes_with_the_machine(real_server):
    vmid = boot(real_server, "measured", "tiny", tpm=True)
    assert "guest: a TPM answers" in real_server.await_text(vmid)
    stop(real_server, vmid)
    real_server.call("DELETE", "/v", vmid=vmid).expect(200)
    left = [file for file in real_server.state_directory.rglob("*") if vmid in str(file) and "libvirt/log" not in str(file)]
    assert left == []
    plain = boot(real_server, "unmeasured", "tiny")
    assert "TPM" not in real_server.await_text(plain)
    stop(real_server, plain)


def test_a_guest_finds_its_user_data(real_server):
    cloud = {"user_data": "#cloud-config\n# for the guest's eyes: Größe\n", "network_config": "version: 2\n"}
    vmid = boot(real_server, "Cloud (1)", "linux", cloud_init=cloud, memory_size_mb=256)
    console = real_server.await_text(vmid, seconds=240).replace("\r", "")
    assert "user-data: #cloud-config\nuser-data: # for the guest's eyes: Größe\n" in console
    assert f'meta-data: instance-id: "{vmid}"\nmeta-data: local-hostname: "Cloud-1"\n' in console
    assert "network-config: version: 2\n" in console
    assert real_server.change(vmid, "STOPPED", wait=60).expect(200).json["state"] == "STOPPED"
    made = real_server.state_directory / "machines" / vmid / "seed.iso"
    assert made.stat().st_mode & 0o777 == 0o600
    real_server.call("DELETE", "/v", vmid=vmid).expect(200)
    assert not made.parent.exists()


def test_user_data_is_shown_to_those_alone_who_may_alter_the_machine(real_server):
    server = real_server
    catalog = server.catalog("shared for looking")
    vmid = server.machine("with a secret", catalog, cloud_init={"user_data": "#cloud-config\npassword: hunter2\n"})
    onlooker, keeper = server.user("onlooker"), server.user("keeper")
    for person, alter in ((onlooker, False), (keeper, True)):
        server.call("POST", "/c/share", cid=catalog, gid=person.group, view=True, alter=alter).expect(200)
    for fields in ({"vmid": vmid}, {"catalog": catalog}, {}):
        seen = server.call("GET", "/v", fields, key=onlooker.key).expect(200)
        assert vmid in seen.text and "hunter2" not in seen.text and "cloud_init" not in seen.text
        assert "hunter2" in server.call("GET", "/v", fields, key=keeper.key).expect(200).text
