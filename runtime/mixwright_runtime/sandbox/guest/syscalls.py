"""System call numbers of the two architectures, and which calls each profile allows.

Each entry is `name x86_64 aarch64;`, a dash where the architecture has no such call. From the kernel's
`asm/unistd_64.h` and `asm-generic/unistd.h`; numbers never change once given.
"""

from __future__ import annotations

PYTHON = """
read 0 63; write 1 64; open 2 -; openat 257 56; close 3 57; stat 4 -; fstat 5 80; lstat 6 -;
newfstatat 262 79; statx 332 291; poll 7 -; ppoll 271 73; select 23 -; pselect6 270 72; lseek 8 62;
mmap 9 222; mprotect 10 226; munmap 11 215; mremap 25 216; brk 12 214; madvise 28 233; msync 26 227;
mincore 27 232; rt_sigaction 13 134; rt_sigprocmask 14 135; rt_sigreturn 15 139; rt_sigtimedwait 128 137;
rt_sigpending 127 136; rt_sigsuspend 130 133; sigaltstack 131 132; pread64 17 67; pwrite64 18 68;
readv 19 65; writev 20 66; preadv 295 69; pwritev 296 70; preadv2 327 286; pwritev2 328 287; access 21 -;
faccessat 269 48; faccessat2 439 439; pipe 22 -; pipe2 293 59; sched_yield 24 124;
sched_getaffinity 204 123; sched_getparam 143 121; sched_getscheduler 145 120;
sched_get_priority_max 146 125; sched_get_priority_min 147 126; dup 32 23; dup2 33 -; dup3 292 24;
nanosleep 35 101; clock_nanosleep 230 115; clock_gettime 228 113; clock_getres 229 114;
gettimeofday 96 169; time 201 -; getitimer 36 102; setitimer 38 103; alarm 37 -; pause 34 -; getpid 39 172;
getppid 110 173; gettid 186 178; getpgrp 111 -; getpgid 121 155; getsid 124 156; setsid 112 157;
setpgid 109 154; getuid 102 174; getgid 104 176; geteuid 107 175; getegid 108 177; getresuid 118 148;
getresgid 120 150; getgroups 115 158; getrusage 98 165; times 100 153; getrlimit 97 163; setrlimit 160 164;
prlimit64 302 261; getpriority 140 141; sysinfo 99 179; uname 63 160; fcntl 72 25; flock 73 32;
fsync 74 82; fdatasync 75 83; truncate 76 45; ftruncate 77 46; getdents 78 -; getdents64 217 61;
getcwd 79 17; chdir 80 49; fchdir 81 50; rename 82 -; renameat 264 38; renameat2 316 276; mkdir 83 -;
mkdirat 258 34; rmdir 84 -; creat 85 -; link 86 -; linkat 265 37; unlink 87 -; unlinkat 263 35;
symlink 88 -; symlinkat 266 36; readlink 89 -; readlinkat 267 78; chmod 90 -; fchmod 91 52;
fchmodat 268 53; fchmodat2 452 452; umask 95 166; utime 132 -; utimes 235 -; utimensat 280 88;
futimesat 261 -; futex 202 98; futex_waitv 449 449; set_robust_list 273 99; get_robust_list 274 100;
set_tid_address 218 96; rseq 334 293; arch_prctl 158 -; timer_create 222 107; timer_settime 223 110;
timer_gettime 224 108; timer_getoverrun 225 109; timer_delete 226 111; timerfd_create 283 85;
timerfd_settime 286 86; timerfd_gettime 287 87; eventfd 284 -; eventfd2 290 19; epoll_create 213 -;
epoll_create1 291 20; epoll_ctl 233 21; epoll_wait 232 -; epoll_pwait 281 22; epoll_pwait2 441 441;
signalfd 282 -; signalfd4 289 74; membarrier 324 283; getrandom 318 278; fork 57 -; vfork 58 -;
wait4 61 260; waitid 247 95; exit 60 93; exit_group 231 94; kill 62 129; tkill 200 130; tgkill 234 131;
statfs 137 43; fstatfs 138 44; getcpu 309 168; fadvise64 221 223; fallocate 285 47; readahead 187 213;
sendfile 40 71; copy_file_range 326 285; restart_syscall 219 128; close_range 436 436; capget 125 90;
getxattr 191 8; lgetxattr 192 9; fgetxattr 193 10; listxattr 194 11; llistxattr 195 12; flistxattr 196 13;
sendto 44 206; recvfrom 45 207; shutdown 48 210; getsockname 51 204; getpeername 52 205; getsockopt 55 209;
"""
"""Allowed to every job: files in its own tree, memory, time, threads, its own processes, pipes."""

NATIVE = """
execve 59 221; execveat 322 281; mlock 149 228; munlock 150 229; mlock2 325 284; setpriority 141 140;
sched_setaffinity 203 122; sched_getattr 315 275; pkey_alloc 330 289; pkey_free 331 290;
pkey_mprotect 329 288; get_mempolicy 239 236;
"""
"""Allowed besides to compilers and other languages' runtimes."""

BOX = """
mount 165 40; capset 126 91; seccomp 317 277; pidfd_open 434 434; sendmsg 46 211; recvmsg 47 212;
"""
"""Allowed to the box's own first process alone, which no job keeps."""

CONDITIONAL = """
clone 56 220; clone3 435 435; socketpair 53 199; ioctl 16 29; prctl 157 167; personality 135 92;
"""
"""Looked at more closely (`seccomp.py`)."""

REFUSED = """
socket 41 198; connect 42 203; bind 49 200; listen 50 201; accept 43 202; accept4 288 242; sendmsg 46 211;
recvmsg 47 212; sendmmsg 307 269; recvmmsg 299 243; setsockopt 54 208; ptrace 101 117;
process_vm_readv 310 270; process_vm_writev 311 271; kcmp 312 272; bpf 321 280; perf_event_open 298 241;
userfaultfd 323 282; keyctl 250 219; add_key 248 217; request_key 249 218; io_uring_setup 425 425;
io_uring_enter 426 426; io_uring_register 427 427; mount 165 40; umount2 166 39; unshare 272 97;
setns 308 268; pivot_root 155 41; chroot 161 51; memfd_create 319 279; memfd_secret 447 447; shmget 29 194;
shmat 30 196; shmctl 31 195; shmdt 67 197; semget 64 190; semop 65 193; semctl 66 191; msgget 68 186;
msgsnd 69 189; msgrcv 70 188; msgctl 71 187; mq_open 240 180; mq_unlink 241 181; setuid 105 146;
setgid 106 144; setreuid 113 145; setregid 114 143; setresuid 117 147; setresgid 119 149;
setgroups 116 159; setfsuid 122 151; setfsgid 123 152; capset 126 91; seccomp 317 277; mknod 133 -;
mknodat 259 33; chown 92 -; fchown 93 55; lchown 94 -; fchownat 260 54; sethostname 170 161;
setdomainname 171 162; open_by_handle_at 304 265; name_to_handle_at 303 264; pidfd_open 434 434;
pidfd_getfd 438 438; pidfd_send_signal 424 424; process_madvise 440 440; process_mrelease 448 448;
quotactl 179 60; acct 163 89; swapon 167 224; swapoff 168 225; reboot 169 142; kexec_load 246 104;
kexec_file_load 320 294; init_module 175 105; finit_module 313 273; delete_module 176 106; iopl 172 -;
ioperm 173 -; modify_ldt 154 -; syslog 103 116; clock_settime 227 112; clock_adjtime 305 266;
settimeofday 164 170; adjtimex 159 171; vhangup 153 58; fanotify_init 300 262; fanotify_mark 301 263;
inotify_init 253 -; inotify_init1 294 26; sync 162 81; syncfs 306 267; splice 275 76; tee 276 77;
vmsplice 278 75; sched_setscheduler 144 119; sched_setparam 142 118; sched_setattr 314 274;
ioprio_set 251 30; landlock_create_ruleset 444 444; landlock_add_rule 445 445;
landlock_restrict_self 446 446; open_tree 428 428; move_mount 429 429; fsopen 430 430; fsconfig 431 431;
fsmount 432 432; fspick 433 433; mount_setattr 442 442; rt_sigqueueinfo 129 138; rt_tgsigqueueinfo 297 240;
move_pages 279 239; mbind 237 235; set_mempolicy 238 237; migrate_pages 256 238;
"""
"""Answered with EPERM, as the kernel would; all that is named nowhere gets ENOSYS, so that libraries fall back."""

ARCHITECTURES = ("x86_64", "aarch64")


def numbers(table: str, architecture: str) -> dict[str, int]:
    """Name -> number of a table's calls on `architecture`, those it has."""
    column = 1 + ARCHITECTURES.index(architecture)
    entries = (entry.split() for entry in table.replace("\n", " ").split(";") if entry.strip())
    return {entry[0]: int(entry[column]) for entry in entries if entry[column] != "-"}
