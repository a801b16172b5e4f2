import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asStaticPod } from '#agent/kubelet/static/static-pod.ts';
import type { Pod } from '#api/types.generated.ts';
import { podManifests } from './pod-manifest.ts';

const read = (text: string): Pod =>
  podManifests.read(Buffer.from(text), '/m/a.yaml', (pod) =>
    asStaticPod(pod, { source: 'file', location: '/m/a.yaml', nodeName: 'n1' }),
  );
const pod = (spec: string, metadata = '{name: a}'): string => `apiVersion: v1\nkind: Pod\nmetadata: ${metadata}\nspec: ${spec}\n`;
const container = 'containers: [{name: c, image: b}]';

describe('a manifest of a static pod', () => {
  it('gets the defaults of the API, from YAML and from JSON, and the first document counts', () => {
    const { spec, metadata } = read(`${pod(`{${container}}`)}---\nkind: Nothing\n`);
    assert.equal(spec.containers[0]?.imagePullPolicy, 'Always');
    assert.equal(spec.restartPolicy, 'Always');
    assert.equal(spec.terminationGracePeriodSeconds, 30);
    assert.equal(metadata.name, 'a-n1');
    const json = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: { containers: [{ name: 'c', image: 'b' }] } };
    assert.equal(read(JSON.stringify(json)).metadata.uid, metadata.uid);
  });

  const refused: [what: string, manifest: string, message: RegExp | string][] = [
    [
      'is no YAML',
      'apiVersion: v1\nkind: Pod\nmetadata: {name: a\n',
      /^\/m\/a\.yaml: couldn't parse as pod\(yaml: line \d+: .*\), please check config file$/,
    ],
    ['is empty', '', "/m/a.yaml: couldn't parse as pod(Object 'Kind' is missing in 'null'), please check config file"],
    [
      'has no kind',
      'a: b',
      `/m/a.yaml: couldn't parse as pod(Object 'Kind' is missing in '{"a":"b"}'), please check config file`,
    ],
    ['has no version', 'kind: Pod', /Object 'apiVersion' is missing in/],
    ['has an unknown kind', 'apiVersion: v1\nkind: Pot', /no kind "Pot" is registered for version "v1"/],
    ['is something else', 'apiVersion: v1\nkind: Service', /couldn't parse as pod\(invalid pod:/],
    ['has a wrong type', pod('{containers: 1}'), /couldn't parse as pod\(json: cannot unmarshal number/],
    ['has no name', pod(`{${container}}`, '{}'), 'invalid pod: name is needed for the pod'],
    [
      'breaks rules',
      pod('{containers: [{name: c}, {name: c, image: x}]}'),
      'invalid pod: [spec.containers[0].image: Required value spec.containers[1].name: Duplicate value: "c"]',
    ],
    ['has no containers', pod('{}'), 'invalid pod: [spec.containers: Required value]'],
    ['has an account', pod(`{serviceAccountName: x, ${container}}`), 'static pods may not reference serviceaccounts'],
    ['has a secret', pod(`{imagePullSecrets: [{name: x}], ${container}}`), 'static pods may not reference secrets'],
    [
      'has a config map',
      pod(`{volumes: [{name: v, configMap: {name: x}}], ${container}}`),
      'static pods may not reference configmaps',
    ],
    [
      'has a claim',
      pod(`{volumes: [{name: v, persistentVolumeClaim: {claimName: x}}], ${container}}`),
      'static pods may not reference persistentvolumeclaims',
    ],
  ];
  for (const [what, manifest, message] of refused)
    it(`is refused when it ${what}`, () => {
      assert.throws(
        () => read(manifest),
        (error: Error) => {
          if (typeof message === 'string') assert.equal(error.message, message);
          else assert.match(error.message, message);
          return true;
        },
      );
    });
});
