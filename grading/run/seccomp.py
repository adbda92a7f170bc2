"""System calls that nobody's notebook needs, refused by a small BPF program (Linux, x86-64 and ARM).

Namespaces and permissions make the jail; this closes what they leave open: memory that no
limit counts (memfd, System V, shared anonymous maps), sockets that a network namespace does not hold
(vsock), debuggers, and rarely used doors into the kernel. See man 2 seccomp.
"""

import errno
import platform
import struct

_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# name: number on x86-64, number on ARM
_REFUSED = {
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "shmat": (30, 196),
    "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "open_by_handle_at": (304, 265), "kcmp": (312, 272),
}
_CLONE3, _CLONE, _SOCKET, _MMAP = (435, 435), (56, 220), (41, 198), (9, 222)
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6: the network namespace has no network
_NETLINK, _NETLINK_ROUTE = 16, 0  # to list network interfaces, as ZeroMQ does
_SHARED, _ANONYMOUS = 0x01, 0x20

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_NUMBER, _ARCH, _ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data


def program(network=True):
    """The filter as bytes (an array of struct sock_filter), or None on a machine it is not written for.

    Without `network`, where no namespace keeps it away, there are no sockets but those of this machine.
    """
    families = _FAMILIES if network else _FAMILIES[:1]
    machine = {"arm64": "aarch64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    if machine not in _ARCHITECTURE:
        return None
    here = list(_ARCHITECTURE).index(machine)
    code = [(_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, _ARCHITECTURE[machine]), (_RETURN, 0, 0, _KILL),
            (_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, 0x40000000), _fail(errno.ENOSYS)]  # the x32 interface
    for numbers in _REFUSED.values():
        code += [(_EQUAL, 0, 1, numbers[here]), _fail(errno.EPERM)]
    # the C library falls back from clone3, whose flags no filter can see, to clone
    code += [(_EQUAL, 0, 1, _CLONE3[here]), _fail(errno.ENOSYS)]
    code += [(_EQUAL, 0, 4, _CLONE[here]), _argument(0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), _fail(errno.EPERM),
             (_RETURN, 0, 0, _ALLOW)]
    code += [(_EQUAL, 0, 6 + len(families), _SOCKET[here]), _argument(0),
             *[(_EQUAL, len(families) + 3 - index, 0, family) for index, family in enumerate(families)],
             (_EQUAL, 0, 1, _NETLINK), _argument(2), (_EQUAL, 1, 0, _NETLINK_ROUTE),
             _fail(errno.EAFNOSUPPORT), (_RETURN, 0, 0, _ALLOW)]
    code += [(_EQUAL, 0, 5, _MMAP[here]), _argument(3), (_ANY_BIT, 0, 2, _SHARED), (_ANY_BIT, 0, 1, _ANONYMOUS),
             _fail(errno.ENOMEM), (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def _fail(number):
    return _RETURN, 0, 0, 0x00050000 | number


def _argument(index):
    return _LOAD, 0, 0, _ARGUMENT + 8 * index
