import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseUnit, splitWords, UnitFileError, unitText } from './unit-file.ts';

describe('a unit file', () => {
  it('is read back as it was written', () => {
    const argv = ['/usr/local/bin/kube-scheduler', '--kubeconfig=/etc/kubernetes/scheduler.conf', '--leader-elect=true'];
    const text = unitText({ description: 'Kubernetes Scheduler', argv, after: ['etcd'], env: { A: 'b' } });
    assert.match(text, /^ExecStart=\/usr\/local\/bin\/kube-scheduler \\$/m);
    const unit = parseUnit('kube-scheduler', text);
    assert.deepEqual(unit.argv, argv);
    assert.deepEqual(unit.after, ['etcd']);
    assert.deepEqual(unit.env, { A: 'b' });
    assert.deepEqual([unit.restart, unit.restartMs, unit.isEnabled, unit.ignored], ['always', 1000, true, []]);
  });

  it('has systemd syntax: comments, continued lines, quotes, values that are taken back', () => {
    const unit = parseUnit(
      'demo',
      `# comment
[Unit]
After=a.service b.service
; another
[Service]
Environment=OLD=1
Environment=
Environment="GREETING=good day" N=2
ExecStart=/bin/sh \\
  -c "echo 'hi there'; exit 3"
Restart=on-failure
RestartSec=250ms
TimeoutStopSec=2min
LimitNOFILE=1024
`,
    );
    assert.deepEqual(unit.argv, ['/bin/sh', '-c', "echo 'hi there'; exit 3"]);
    assert.deepEqual(unit.env, { GREETING: 'good day', N: '2' });
    assert.deepEqual([unit.restart, unit.restartMs, unit.stopMs, unit.isEnabled], ['on-failure', 250, 120_000, false]);
    assert.deepEqual(unit.after, ['a', 'b']);
    assert.deepEqual(unit.ignored, ['Service.LimitNOFILE']);
  });

  const wrong: [what: string, text: string, message: RegExp][] = [
    ['starts nothing', '[Service]\nRestart=always\n', /demo\.service: Service has no ExecStart= setting/],
    ['takes its command back', '[Service]\nExecStart=/bin/true\nExecStart=\n', /no ExecStart/],
    [
      'restarts in an unknown way',
      '[Service]\nExecStart=/bin/true\nRestart=maybe\n',
      /Restart=maybe: give no, on-failure or always/,
    ],
    ['waits no time that there is', '[Service]\nExecStart=/bin/true\nRestartSec=soon\n', /RestartSec=soon: give a time/],
  ];
  for (const [what, text, message] of wrong)
    it(`is refused when it ${what}`, () =>
      assert.throws(
        () => parseUnit('demo', text),
        (error) => error instanceof UnitFileError && message.test(error.message),
      ));

  it('has words as a shell has', () => {
    assert.deepEqual(splitWords(`a  "b c" 'd "e"' f\\ g ""`), ['a', 'b c', 'd "e"', 'f g', '']);
  });
});
