import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asStaticPod } from '#agent/kubelet/static/static-pod.ts';
import { podManifests } from '#cli/pod-manifest.ts';
import { defaultLab, planLab } from '../config.ts';
import { controlPlaneCommands } from './components.ts';
import { manifestOf } from './manifests.ts';

const lab = planLab({ ...defaultLab, layout: 'pods' });
const host = lab.controlPlane ?? assert.fail('it has no control plane');

describe("the control plane's manifests", () => {
  for (const command of controlPlaneCommands(lab, host, '/usr/local/bin')) {
    const location = `/etc/kubernetes/manifests/${command.name}.yaml`;
    const pod = podManifests.read(Buffer.from(manifestOf(command, host)), location, (one) =>
      asStaticPod(one, { source: 'file', location, nodeName: host.name }),
    );
    const [container] = pod.spec.containers;

    it(`of ${command.name} are pods that a kubelet takes, named after their node`, () => {
      assert.equal(pod.metadata.name, `${command.name}-controlplane`);
      assert.deepEqual(pod.metadata.labels, { component: command.name, tier: 'control-plane' });
      assert.equal(pod.spec.hostNetwork, true);
      assert.equal(pod.spec.priorityClassName, 'system-node-critical');
    });

    it(`of ${command.name} start the program with its flags, and mount all files that these name`, () => {
      assert.deepEqual(container?.command, [command.name, ...command.argv.slice(1)]);
      const mounted = (container?.volumeMounts ?? []).map(({ mountPath }) => mountPath);
      const files = command.argv.flatMap((flag) => /=(\/(?:etc|var)\/\S+)$/.exec(flag)?.[1] ?? []);
      assert.ok(files.length > 0);
      for (const file of files)
        assert.ok(
          mounted.some((path) => file === path || file.startsWith(`${path}/`)),
          `${file} is not mounted`,
        );
    });

    it(`of ${command.name} have a probe of each kind`, () => {
      for (const probe of [container?.livenessProbe, container?.readinessProbe, container?.startupProbe])
        assert.ok(probe?.httpGet?.port);
    });
  }
});
