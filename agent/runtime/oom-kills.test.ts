import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { createCgroups } from '#agent/host/cgroup.ts';
import { ExecError, execFile } from '#agent/host/exec.ts';
import { createKernelLog, type KernelLog, kernelText } from '#agent/host/kernel-log.ts';
import { type OomLine, parseOomLine, withOomReports } from './oom-kills.ts';
import type { ContainerEvent, ContainerRuntime, ContainerStatus } from './runtime.ts';

const log = pino({ level: 'silent' });
const id = 'ab'.repeat(32);
const other = 'cd'.repeat(32);
const memcgKill = (cgroup: string, task = 'dd'): string =>
  `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=${id},mems_allowed=0,oom_memcg=/kubepods/podx,task_memcg=${cgroup},task=${task},pid=7,uid=0`;
const killedLine = (pid: number): string =>
  `Memory cgroup out of memory: Killed process ${pid} (dd) total-vm:68512kB, anon-rss:16256kB, file-rss:1604kB, shmem-rss:0kB, UID:0 pgtables:76kB oom_score_adj:0`;

describe('a record of the kernel log', () => {
  const cases: [string, string, string | undefined][] = [
    ["is the kernel's", '6,3355,1041551274,-;oom-kill:x\n SUBSYSTEM=memory\n', 'oom-kill:x'],
    ['is an error of the kernel', '3,3356,1041551298,c;Memory cgroup\n', 'Memory cgroup'],
    ['was written by a program, which may claim anything', '12,3357,1041551298,-;oom-kill:x\n', undefined],
    ['is none', 'oom-kill', undefined],
  ];
  for (const [name, record, text] of cases) it(name, () => assert.equal(kernelText(record), text));
});

describe('a line about a kill', () => {
  const cases: [string, string, OomLine | undefined][] = [
    ["names the victim's group", memcgKill(`/kubepods/podx/${id}`), { cgroup: `/kubepods/podx/${id}` }],
    ['may have a victim of any name', memcgKill('/a', 'x,task_memcg=/b'), { cgroup: '/a' }],
    ['names the process only', killedLine(4711), { pid: 4711 }],
    ['is of the whole machine', 'Out of memory: Killed process 12 (dd) total-vm:1kB', { pid: 12 }],
    [
      'is of a whole group (v2)',
      `Tasks in /kubepods/podx/${id} are going to be killed due to memory.oom.group set`,
      { cgroup: `/kubepods/podx/${id}` },
    ],
    ['is another', 'dd invoked oom-killer: gfp_mask=0xcc0', undefined],
  ];
  for (const [name, text, line] of cases) it(name, () => assert.deepEqual(parseOomLine(text), line));
});

describe('a container that was killed because memory ran out', () => {
  const ended = { id, state: 'CONTAINER_EXITED', reason: 'Error', exitCode: 137 } as ContainerStatus;
  const end = (containerId: string, pid: number): ContainerEvent => ({
    containerId,
    pid,
    type: 'CONTAINER_STOPPED_EVENT',
    createdAtMs: 0,
  });
  function runtimeWith(status: ContainerStatus, reads: (readonly string[])[], events: ContainerEvent[] = []): ContainerRuntime {
    const kernelLog: KernelLog = { read: async () => reads.shift() ?? [], close: async () => undefined };
    const plain = {
      containerStatus: async () => status,
      async *containerEvents() {
        yield* events;
      },
    } as unknown as ContainerRuntime;
    return withOomReports(plain, { kernelLog, log });
  }
  async function reasonAfterEvents(runtime: ContainerRuntime): Promise<string> {
    for await (const event of runtime.containerEvents(new AbortController().signal)) assert.ok(event);
    return (await runtime.containerStatus(id)).reason;
  }

  const groups: [string, string][] = [
    ['cgroupfs', `/kubepods/burstable/podx/${id}`],
    ['systemd', `/kubepods.slice/kubepods-podx.slice/cri-containerd-${id}.scope`],
    ['a group of its own making', `/kubepods/podx/${id}/inner`],
  ];
  for (const [name, group] of groups)
    it(`is found by its control group: ${name}`, async () =>
      assert.equal(await reasonAfterEvents(runtimeWith(ended, [[memcgKill(group)]])), 'OOMKilled'));

  it("is found by its first process when the kernel's log names no more", async () =>
    assert.equal(await reasonAfterEvents(runtimeWith(ended, [[], [killedLine(77)]], [end(id, 77)])), 'OOMKilled'));

  const not: [string, ContainerStatus, (readonly string[])[], ContainerEvent[]][] = [
    ['another container was killed', ended, [[memcgKill(`/kubepods/podx/${other}`)]], []],
    ['another process was killed', ended, [[], [killedLine(78)]], [end(id, 77)]],
    ["the process' number is of long ago", ended, [[killedLine(77)]], [end(id, 77)]],
    ['it ended well', { ...ended, reason: 'Completed', exitCode: 0 }, [[memcgKill(`/kubepods/podx/${id}`)]], []],
  ];
  for (const [name, status, reads, events] of not)
    it(`is not reported when ${name}`, async () =>
      assert.equal(await reasonAfterEvents(runtimeWith(status, reads, events)), status.reason));

  it('is reported only by the runtime when the log cannot be read', async () => {
    const kernelLog: KernelLog = { read: () => Promise.reject(new Error('EACCES')), close: async () => undefined };
    const plain = { containerStatus: async () => ended } as unknown as ContainerRuntime;
    assert.deepEqual(await withOomReports(plain, { kernelLog, log }).containerStatus(id), ended);
  });

  it('is found in the log of the real kernel, also when it reports many kills', async () => {
    const cgroups = await createCgroups();
    const { hierarchy } = cgroups;
    const root = hierarchy.version === 2 ? hierarchy.root : (hierarchy.mountPoints.get('memory') ?? '');
    const top = `/oom-test-${randomBytes(3).toString('hex')}`;
    const kernelLog = createKernelLog();
    const ends: ContainerEvent[] = [];
    const plain = {
      containerStatus: async (containerId: string) => ({ ...ended, id: containerId }),
      async *containerEvents() {
        yield* ends;
      },
      close: async () => undefined,
    } as unknown as ContainerRuntime;
    const runtime = withOomReports(plain, { kernelLog, log });
    try {
      assert.equal((await runtime.containerStatus(id)).reason, 'Error', 'history does not explain it');
      // The kernel logs the control group of at most ten kills within five seconds. For the others it logs only the process.
      for (let count = 0; count < 14; count++) {
        const containerId = randomBytes(32).toString('hex');
        const group = `${top}/${containerId}`;
        await cgroups.create(group);
        await cgroups.limit(group, { memoryBytes: 8 * 1024 * 1024 });
        const command = `echo $$; echo $$ > ${join(root, group, 'cgroup.procs')}; exec tail /dev/zero`;
        const error = await execFile(['sh', '-c', command]).catch((failure: unknown) => failure);
        assert.ok(error instanceof ExecError, String(error));
        ends.push(end(containerId, Number(error.result.stdout)));
      }
      for await (const event of runtime.containerEvents(new AbortController().signal)) {
        assert.equal((await runtime.containerStatus(event.containerId)).reason, 'OOMKilled');
      }
    } finally {
      await cgroups.remove(top);
      await runtime.close();
    }
  });
});
