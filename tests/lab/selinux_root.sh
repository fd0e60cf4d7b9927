#!/bin/sh
# selinux_root.sh: labels of the lab's system, as a distribution has them; run once, at its start.
#
# All files of the host are lib_t already: anybody may read and execute them, as our programs must.
label() { # TYPE PATH...
	type=$1
	shift
	for path; do
		[ ! -e "$path" ] || set -- "$@" "$path"
		shift
	done
	[ $# = 0 ] || chcon -h "system_u:object_r:$type:s0" "$@"
}

mkdir -p /etc/casemate /run/casemate /var/lib/casemate/images /var/lib/casemate/boot \
	/var/lib/casemate/ledger /var/lib/casemate/vtpm /var/log/casemate
chmod 700 /run/casemate
label root_t /
label etc_t /etc /etc/passwd
label shadow_t /etc/shadow
label var_t /var
label var_lib_t /var/lib
label var_log_t /var/log
label var_run_t /run /var/run
label tmp_t /tmp /var/tmp
label user_home_dir_t /root
label usr_t /usr /usr/share
label bin_t /usr/bin /usr/sbin /usr/libexec
label casemate_backend_exec_t /usr/bin/qemu-storage-daemon
label etc_t /etc/nsswitch.conf /etc/host.conf /etc/services /etc/gai.conf /etc/group
label net_conf_t /etc/hosts /etc/resolv.conf
label locale_t /etc/localtime
label cert_t /etc/ssl /etc/ssl/openssl.cnf
label casemate_conf_t /etc/casemate
label casemate_runtime_t /run/casemate
label casemate_state_t /var/lib/casemate
label casemate_image_t /var/lib/casemate/images
label casemate_content_t /var/lib/casemate/boot
label casemate_ledger_data_t /var/lib/casemate/ledger
label casemate_vtpm_state_t /var/lib/casemate/vtpm
label casemate_log_t /var/log/casemate
label null_device_t /dev/null
label zero_device_t /dev/zero /dev/full
label random_device_t /dev/random
label urandom_device_t /dev/urandom
label devtty_t /dev/tty
label ptmx_t /dev/ptmx
label kvm_device_t /dev/kvm
label casemate_sev_device_t /dev/sev
label vhost_device_t /dev/vhost-vsock /dev/vhost-net
label tun_tap_device_t /dev/net/tun
