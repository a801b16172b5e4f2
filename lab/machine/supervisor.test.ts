import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServiceEnd, ServiceProcess, ServiceSpec } from '#agent/host/service-process.ts';
import { FakeClock } from '#client/clock.ts';
import { inOrder, Supervisor } from './supervisor.ts';
import { parseUnit, type Unit } from './unit-file.ts';

const unit = (name: string, more = 'Restart=always\nRestartSec=1', after = ''): Unit =>
  parseUnit(name, `[Unit]\nAfter=${after}\n[Service]\nExecStart=/bin/${name}\n${more}\n[Install]\nWantedBy=multi-user.target\n`);

function setUp(first: readonly Unit[]) {
  const clock = new FakeClock();
  const running = new Map<string, (end: ServiceEnd) => void>();
  const told: string[] = [];
  let units = first;
  let isStubborn = false;
  let pid = 0;
  const start = async ({ argv }: ServiceSpec): Promise<ServiceProcess> => {
    const name = argv[0]?.slice('/bin/'.length) ?? '';
    if (name === 'absent') throw new Error('ENOENT');
    told.push(`start ${name}`);
    const { promise, resolve } = Promise.withResolvers<ServiceEnd>();
    running.set(name, resolve);
    const kill = (signal: NodeJS.Signals): void => {
      told.push(`${signal} ${name}`);
      if (signal === 'SIGKILL' || !isStubborn) resolve({ code: null, signal });
    };
    return { pid: ++pid, ended: promise, kill };
  };
  const supervisor = new Supervisor({
    start,
    units: async () => units,
    logFile: (name) => `/log/${name}`,
    clock,
    tell: () => undefined,
    env: {},
  });
  const settle = async (ms = 0): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(ms);
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    supervisor,
    told,
    running,
    settle,
    setUnits: (next: readonly Unit[]) => void (units = next),
    beStubborn: () => void (isStubborn = true),
  };
}

describe('the services of a machine', () => {
  it('are started in their order, and only those that are enabled', async () => {
    const off = { ...unit('off'), isEnabled: false };
    const { supervisor, told, settle } = setUp([unit('api', undefined, 'etcd.service'), unit('etcd'), off]);
    await supervisor.reload();
    await settle();
    assert.deepEqual(told, ['start etcd', 'start api']);
    await supervisor.end();
  });

  it('are started again when they end, with longer waits where they end at once', async () => {
    const { supervisor, told, running, settle } = setUp([unit('etcd')]);
    await supervisor.reload();
    await settle();
    running.get('etcd')?.({ code: 1, signal: null });
    await settle();
    assert.equal(told.length, 1);
    await settle(1_000);
    assert.equal(told.length, 2);
    running.get('etcd')?.({ code: 1, signal: null });
    await settle();
    await settle(1_000);
    assert.equal(told.length, 2);
    await settle(1_000);
    assert.equal(told.length, 3);
    await settle(60_000);
    running.get('etcd')?.({ code: null, signal: 'SIGKILL' });
    await settle();
    await settle(1_000);
    assert.equal(told.length, 4);
    await supervisor.end();
  });

  it('are tried again where they cannot be started, and left alone where their unit says so', async () => {
    const { supervisor, told, running, settle } = setUp([
      unit('absent'),
      unit('once', 'Restart=no'),
      unit('fine', 'Restart=on-failure'),
    ]);
    await supervisor.reload();
    await settle();
    running.get('once')?.({ code: 1, signal: null });
    running.get('fine')?.({ code: 0, signal: null });
    await settle();
    await settle(60_000);
    assert.deepEqual(told, ['start once', 'start fine']);
    await supervisor.end();
  });

  it('stop in the opposite order, by force where they do not', async () => {
    const { supervisor, told, settle, beStubborn } = setUp([unit('etcd'), unit('api', undefined, 'etcd.service')]);
    await supervisor.reload();
    await settle();
    beStubborn();
    const ended = supervisor.end();
    await settle();
    await settle(10_000);
    await settle(10_000);
    await ended;
    assert.deepEqual(told.slice(2), ['SIGTERM api', 'SIGKILL api', 'SIGTERM etcd', 'SIGKILL etcd']);
  });

  it('come and go with their unit files', async () => {
    const { supervisor, told, settle, setUnits } = setUp([unit('etcd')]);
    await supervisor.reload();
    await settle();
    setUnits([unit('api')]);
    const reloaded = supervisor.reload();
    await settle();
    await reloaded;
    await settle();
    assert.deepEqual(told, ['start etcd', 'SIGTERM etcd', 'start api']);
    await supervisor.end();
  });

  it('that come after each other keep their places', () => {
    const circle = [unit('a', undefined, 'b.service'), unit('b', undefined, 'a.service')];
    assert.deepEqual(
      inOrder(circle).map(({ name }) => name),
      ['b', 'a'],
    );
  });
});
