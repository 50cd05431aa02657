"""Transcripts of labs in which all is well, as people paste them: nothing in them is wrong."""

from transcripts import PERMITTED, STARTED, TRANSFERRED

MOVED = (
    STARTED
    + "xc: info: Saving domain {domid}, type x86 PV\nxc: info: Found x86 PV domain from Xen 4.14\n"
    + "xc: info: Restoring domain\nxc: info: Restore successful\n"
    + TRANSFERRED
    + PERMITTED
    + "migration target: Domain started successsfully.\nmigration sender: Target reports successful startup.\n"
    + "Migration successful.\n"
)
HEAD = "Name                                        ID   Mem VCPUs\tState\tTime(s)\n"


def listing(dom0: float, *guests: tuple[str, int, str, float]) -> str:
    """What `xl list` prints: Domain-0's seconds, and of each guest its name, id, state and seconds."""
    rows = [f"Domain-0                                     0  4096     4     r-----    {dom0:.1f}\n"]
    rows += [
        f"{name:<40} {domid:>5}  1024     1     {state}    {seconds:>6.1f}\n" for name, domid, state, seconds in guests
    ]
    return HEAD + "".join(rows)


def pings(first: int, last: int, target: str = "10.1.1.85", name: str = "") -> str:
    """Lines of reply, a second apart."""
    who = f"{name} ({target})" if name else target
    return "".join(f"64 bytes from {who}: icmp_seq={n} ttl=64 time=0.4{n % 10} ms\n" for n in range(first, last + 1))


def summary(sent: int, received: int, target: str = "10.1.1.85") -> str:
    """What ping prints when it is stopped."""
    lost = 100 * (sent - received) // sent
    return (
        f"^C\n--- {target} ping statistics ---\n{sent} packets transmitted, {received} received, {lost}% packet loss, "
        f"time {sent}012ms\nrtt min/avg/max/mdev = 0.133/0.319/0.416/0.100 ms\n"
    )


PING = "PING 10.1.1.85 (10.1.1.85) 56(84) bytes of data.\n"
CONFIG = (
    "# the team's guest\n"
    'name="guest1"\nvcpus=1\nmemory=1024\ntype="pv"\n'
    "disk = ['/mnt/private/artem/guest1.img,raw,xvda1,w',\n        '/mnt/private/artem/guest1.swap,raw,xvda2,w']\n"
    'kernel="/mnt/private/artem/vmlinuz-5.10.0"\nramdisk="/mnt/private/artem/initrd.img-5.10.0"\n'
    "root=\"/dev/xvda1 rw\"\nvif = [ '' ]  # the default bridge\n"
)
FOLDER = (
    "total 1048312\n"
    "drwxr-xr-x 2 artem artem       4096 2020-02-08 22:06 .\n"
    "-rwxr-xr-x 1 artem artem        306 2020-02-08 22:06 guest1.cfg\n"
    "-rwxr-xr-x 1 artem artem 6443499520 2020-02-08 22:26 guest1.img\n"
    "-rwxr-xr-x 1 artem artem 1073741824 2020-02-08 20:36 guest1.swap\n"
    "-rwxr-xr-x 1 artem artem   39276413 2020-02-08 21:01 initrd.img-5.10.0\n"
    "-rwxr-xr-x 1 artem artem    9146616 2020-02-08 21:04 vmlinuz-5.10.0\n"
)
LIVE = (
    "root@labubuntu:~# xl list\n"
    + listing(1914.5, ("guest1", 2, "-b----", 30.1))
    + "root@labubuntu:~# xl migrate guest1 10.1.1.143\n"
    "root@10.1.1.143's password: \n"
    + MOVED.format(domid=2)
    + "root@labubuntu:~# xl list\n"
    + listing(1930.0)
    + "root@labubuntu:~# \nroot@baye:~# xl list\n"
    + listing(56475.2, ("guest1", 28, "-b----", 0.3))
)
OUTSIDE = "me@desk:~$ ping 10.1.1.85\n" + PING + pings(1, 40) + pings(42, 60) + summary(60, 59)
COLD = (
    "root@labubuntu:~# xl shutdown guest1\nShutting down domain 2\nroot@labubuntu:~# xl list\n"
    + listing(1950.0)
    + "root@labubuntu:~# ssh root@10.1.1.143\nroot@baye:~# xl create /mnt/private/artem/guest1.cfg\n"
    "Parsing config from /mnt/private/artem/guest1.cfg\nroot@baye:~# xl list\n"
    + listing(56475.2, ("guest1", 29, "r-----", 3.3))
)
SHARE = (
    "root@baye:~# cat /etc/exports\n/srv/private 10.1.1.0/24(rw,sync,no_subtree_check,no_root_squash)\n"
    "root@baye:~# exportfs -v\n/srv/private  \t10.1.1.0/24(sync,wdelay,hide,no_subtree_check,sec=sys,rw,secure,"
    "no_root_squash,no_all_squash)\n"
    "root@labubuntu:~# mount -t nfs 10.1.1.143:/srv/private /mnt/private\n"
    "root@labubuntu:~# mount | grep nfs\n10.1.1.143:/srv/private on /mnt/private type nfs4 (rw,relatime,vers=4.2,"
    "clientaddr=10.1.1.189,addr=10.1.1.143)\n"
    "root@labubuntu:~# ls -la /mnt/private/artem\n" + FOLDER
)
PAUSED = (
    "# paused migration\nroot@baye:~# xl pause guest1\nroot@baye:~# xl list\n"
    + listing(56475.2, ("guest1", 28, "--p---", 28.0))
    + "root@baye:~# xl migrate guest1 labubuntu\n"
    + MOVED.format(domid=28)
    + "root@labubuntu:~# xl list\n"
    + listing(1990.0, ("guest1", 5, "-b----", 0.3))
)

SOUND = {
    "live": LIVE + OUTSIDE,
    "live, markdown": f"# Live migration\n\nIt moved:\n\n```\n{LIVE}```\n\nand was pinged\n\n~~~ text\n{OUTSIDE}~~~\n",
    "live there and back": LIVE
    + "root@baye:~# xl migrate guest1 labubuntu\n"
    + MOVED.format(domid=28)
    + "root@labubuntu:~# xl list\n"
    + listing(1999.0, ("guest1", 3, "-b----", 0.3)),
    "live, back without being shown": LIVE
    + "root@labubuntu:~# xl list\n"
    + listing(1999.0, ("guest1", 3, "-b----", 0.3)),
    "cold": f"# Cold migration\n{COLD}",
    "cold, then live": f"= Cold migration =\n{COLD}= Live migration =\nroot@baye:~# xl migrate guest1 labubuntu\n"
    + MOVED.format(domid=29)
    + "root@labubuntu:~# xl list\n"
    + listing(1999.0, ("guest1", 3, "-b----", 0.3))
    + OUTSIDE,
    "paused": PAUSED,
    "kept paused": "root@baye:~# xl migrate -p guest1 labubuntu\n"
    + MOVED.format(domid=28)
    + "root@labubuntu:~# xl list\n"
    + listing(1990.0, ("guest1", 5, "--p---", 0.0)),
    "share": SHARE,
    "share on a third machine": LIVE + "root@labubuntu:~# mount -t nfs 10.1.1.7:/vol /mnt/private\n",
    "share by name": LIVE + "root@labubuntu:~# mount -t nfs4 -o vers=4.2 baye:/srv/private /mnt/private\n",
    "busybox's mount": "~ # mount -o nolock 10.1.1.143:/srv/private /mnt/private\n",
    "config": CONFIG,
    "config and folder": SHARE + "root@labubuntu:~# cat /mnt/private/artem/guest1.cfg\n" + CONFIG,
    "kernel of all members": SHARE
    + "root@labubuntu:~# cp /mnt/private/artem/vmlinuz-5.10.0 /mnt/private/\n"
    + CONFIG.replace("artem/vmlinuz", "vmlinuz"),
    "inside and outside": "me@desk:~$ ping 10.1.1.85\n"
    + PING
    + pings(1, 9)
    + "root@guest1:~# ping 10.1.1.1\nPING 10.1.1.1 (10.1.1.1) 56(84) bytes of data.\n"
    + pings(1, 5, "10.1.1.1")
    + LIVE
    + "me@desk:~$\n"
    + pings(10, 40)
    + summary(40, 40)
    + "root@guest1:~# \n"
    + pings(6, 9, "10.1.1.1"),
    "inside with its clock": LIVE
    + "root@guest1:~# ping -D 10.1.1.1\nPING 10.1.1.1 (10.1.1.1) 56(84) bytes of data.\n"
    + "".join(f"[17000000{n:02}.2] 64 bytes from 10.1.1.1: icmp_seq={n} ttl=64 time=0.2 ms\n" for n in range(1, 9)),
    "ping while it boots": "me@desk:~$ ping 10.1.1.85\n"
    + PING
    + "".join(f"From 10.1.1.2 icmp_seq={n} Destination Host Unreachable\n" for n in range(1, 9))
    + pings(9, 30)
    + summary(30, 22),
    "ping in German": "ich@rechner:~$ ping 10.1.1.85\nPING 10.1.1.85 (10.1.1.85) 56(84) Bytes an Daten.\n"
    "64 Bytes von 10.1.1.85: icmp_seq=1 ttl=64 Zeit=0.611 ms\n64 Bytes von 10.1.1.85: icmp_seq=2 ttl=64 Zeit=0.435 ms\n"
    "--- 10.1.1.85 ping-Statistiken ---\n2 Pakete übertragen, 2 empfangen, 0% packet loss, time 1001ms\n",
    "lines left out": "me@desk:~$ ping 10.1.1.85\n" + PING + pings(1, 3) + "...\n" + pings(50, 55),
    "a move that was got over": "root@labubuntu:~# xl migrate guest1 10.1.1.143\n"
    "ssh: connect to host 10.1.1.143 port 22: Connection refused\n"
    "root@labubuntu:~# xl migrate guest1 10.1.1.143\n" + MOVED.format(domid=2),
    "a mount that was got over": "$ sudo mount -t nfs baye:/srv/private /mnt/private\n"
    "mount.nfs: access denied by server while mounting baye:/srv/private\n"
    "$ sudo mount -t nfs baye:/srv/private /mnt/private\n$ ls -l /mnt/private\ntotal 0\n",
    "a boot on the console": "root@baye:~# xl create -c guest1.cfg\nParsing config from guest1.cfg\n"
    "[    0.000000] Linux version 5.10.0\n[    1.2] xen:grant_table: Grant tables using version 1 layout\n"
    "[    1.3] ERST: Failed to get Error Log Address Range.\nDebian GNU/Linux 11 guest1 hvc0\n\n"
    "guest1 login: root\nPassword: \nroot@guest1:~# uptime\n 10:00:01 up 1 min\n",
    "two terminals": "root@baye:~# xl list\n" + listing(900.0) + "root@baye:~# xl list\n" + listing(800.0),
}
