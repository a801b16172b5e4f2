import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MountEntry } from '#agent/host/mount.ts';
import { machineMounts } from './mounts.ts';
import type { MachineSpec } from './spec.ts';

const spec: MachineSpec = {
  name: 'worker-1',
  netns: 'lab-worker-1',
  cgroup: '/lab/worker-1',
  root: '/var/lib/lab/worker-1/root',
  shared: [{ from: '/var/src/node', to: '/opt/tinkernetes/node' }],
  env: {},
};
const mount = (mountPoint: string, fsType = 'ext4', superOptions: string[] = ['rw']): MountEntry =>
  ({ mountPoint, fsType, superOptions }) as unknown as MountEntry;

describe('the file systems of a machine', () => {
  it('are private before anything is mounted, and shared among its own containers at the end', () => {
    const steps = machineMounts(spec, []);
    assert.deepEqual(steps[0], ['mount', '--make-rprivate', '/']);
    assert.deepEqual(steps.at(-1), ['mount', '--make-rshared', '/']);
  });

  it('let go of what is mounted on the real machine, but for what the machine is made from', () => {
    const before = ['/', '/run', '/run/netns/x', '/run/other/shm', '/var/lib/lab', '/var/lib/pods/a', '/home'].map((path) =>
      mount(path),
    );
    assert.deepEqual(machineMounts(spec, before)[1], ['umount', '--lazy', '/var/lib/pods/a', '/run/other/shm', '/run/netns/x']);
  });

  it('take programs before the folders that hide them, and /var last', () => {
    const steps = machineMounts(spec, []).map((argv) => argv.join(' '));
    const at = (text: string): number => steps.findIndex((step) => step.includes(text));
    assert.ok(
      at('--bind /var/src/node /var/lib/lab/worker-1/root/opt/tinkernetes/node') <
        at('--rbind /var/lib/lab/worker-1/root/opt /opt'),
    );
    assert.ok(at('root/opt /opt') < at('root/var /var'));
    assert.ok(at('lowerdir=/etc,') < at('root/etc/kubernetes /etc/kubernetes'));
  });

  it('show the control groups from its own on, in both versions', () => {
    const hybrid = [
      mount('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', ['rw', 'cpu', 'cpuacct']),
      mount('/sys/fs/cgroup/systemd', 'cgroup', ['rw', 'xattr', 'release_agent=/x', 'name=systemd']),
      mount('/sys/fs/cgroup/unified', 'cgroup2'),
    ];
    const steps = machineMounts(spec, hybrid).map((argv) => argv.join(' '));
    assert.ok(steps.includes('mount -t cgroup -o cpu,cpuacct cgroup /sys/fs/cgroup/cpu,cpuacct'));
    assert.ok(steps.includes('mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd'));
    assert.ok(steps.includes('mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified'));
    const unified = machineMounts(spec, [mount('/sys/fs/cgroup', 'cgroup2')]).map((argv) => argv.join(' '));
    assert.ok(unified.includes('mount -t cgroup2 cgroup2 /sys/fs/cgroup'));
    assert.ok(!unified.some((step) => step.includes('tmpfs /sys/fs/cgroup')));
  });
});
