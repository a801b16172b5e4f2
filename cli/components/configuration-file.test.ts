import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Configuration, merged, readConfigurationFile, readDropIns, withField } from './configuration-file.ts';
import { evictionThresholds } from './eviction-thresholds.ts';
import { configurationOf } from './kubelet-flags.ts';

const kind = { kind: 'KubeletConfiguration', apiVersion: 'kubelet.config.k8s.io/v1beta1' };
const head = 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n';

describe('configuration files', () => {
  let folder: string;
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tinker-config-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('reads what kubeadm writes, and tells which fields nobody has read', () => {
    const path = write(
      'kubelet.yaml',
      `${head}authentication:
  anonymous: {enabled: false}
  webhook: {cacheTTL: 0s, enabled: true}
  x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}
clusterDNS: [10.96.0.10]
containerLogMaxSize: 5Mi
cpuManagerReconcilePeriod: 0s
evictionHard: {memory.available: 200Mi}
imageGCHighThresholdPercent: 80
logging: {flushFrequency: 0, options: {json: {infoBufferSize: "0"}}, verbosity: 0}
memorySwap: {}
syncFrequency: 2m0s
`,
    );
    const configuration = new Configuration(readConfigurationFile('--config', path, kind));
    assert.equal(configuration.flag('authentication.anonymous.enabled'), false);
    assert.equal(configuration.flag('authentication.webhook.enabled'), true);
    assert.equal(configuration.duration('authentication.webhook.cacheTTL'), undefined);
    assert.equal(configuration.text('authentication.x509.clientCAFile'), '/etc/kubernetes/pki/ca.crt');
    assert.deepEqual(configuration.texts('clusterDNS'), ['10.96.0.10']);
    assert.equal(configuration.bytes('containerLogMaxSize'), 5 * 1024 * 1024);
    assert.deepEqual(configuration.map('evictionHard'), { 'memory.available': '200Mi' });
    assert.equal(configuration.duration('syncFrequency'), 120_000);
    assert.deepEqual(configuration.unread(), ['imageGCHighThresholdPercent', 'logging']);
  });

  it('lays drop-in files over it in the order of their names, and flags over all', () => {
    const drops = join(folder, 'drop-ins');
    mkdirSync(drops);
    write('drop-ins/20-b.conf', `${head}maxPods: 30\nclusterDNS: [10.0.0.2]\n`);
    write('drop-ins/10-a.conf', `${head}maxPods: 20\nauthentication: {anonymous: {enabled: true}}\n`);
    write('drop-ins/notes.txt', 'no configuration');
    let value = withField(withField({}, 'authentication.webhook.enabled', true), 'clusterDNS', ['10.0.0.1', '10.0.0.9']);
    for (const one of readDropIns('--config-dir', drops, kind)) value = merged(value, one);
    value = merged(value, configurationOf({ maxPods: 40, port: 1 }, new Set(['max-pods'])));
    const configuration = new Configuration(value);
    assert.deepEqual(
      [configuration.number('maxPods'), configuration.texts('clusterDNS'), configuration.number('port')],
      [40, ['10.0.0.2'], undefined],
    );
    assert.equal(configuration.flag('authentication.webhook.enabled'), true);
    assert.equal(configuration.flag('authentication.anonymous.enabled'), true);
  });

  const refused: [name: string, text: string, message: RegExp][] = [
    ['another kind', 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: Pod\n', /no kind "Pod" is registered for version/],
    [
      'another version',
      'apiVersion: kubelet.config.k8s.io/v1\nkind: KubeletConfiguration\n',
      /"kubelet.config.k8s.io\/v1": give KubeletConfiguration of/,
    ],
    ['a list', '- a\n', /the configuration is no object/],
  ];
  for (const [name, text, message] of refused)
    it(`refuses ${name}`, () => assert.throws(() => readConfigurationFile('--config', write('wrong.yaml', text), kind), message));

  it('names the field whose value is of another type', () => {
    const configuration = new Configuration({ maxPods: 'many', clusterDNS: 'one', syncFrequency: '5', registerNode: 'yes' });
    assert.throws(() => configuration.number('maxPods'), /^Error: maxPods: "many" is not a number$/);
    assert.throws(() => configuration.texts('clusterDNS'), /clusterDNS: "one" is not a list of texts/);
    assert.throws(() => configuration.duration('syncFrequency'), /syncFrequency: time: missing unit in duration "5"/);
    assert.throws(() => configuration.flag('registerNode'), /registerNode: "yes" is not true or false/);
  });

  it('reads thresholds of eviction', () => {
    assert.deepEqual(evictionThresholds({ 'memory.available': '200Mi', 'nodefs.available': '5%', 'imagefs.inodesFree': '5%' }), {
      thresholds: { memoryAvailableBytes: 200 * 1024 * 1024, nodefsAvailable: 0.05 },
      unheeded: ['imagefs.inodesFree'],
    });
    assert.throws(() => evictionThresholds({ 'memory.free': '1Mi' }), /unknown eviction signal memory.free/);
    assert.throws(() => evictionThresholds({ 'nodefs.available': '1Gi' }), /give a share such as 10%/);
  });
});
