/** What kubectl says of ServiceCIDRs and IPAddresses. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { kubectlForTests } from './kubectl.testing.ts';

const manifest = `
apiVersion: networking.k8s.io/v1
kind: ServiceCIDR
metadata: {name: more}
spec: {cidrs: [203.0.113.0/24, "fd00:1::/112"]}
`;

describe('kubectl', () => {
  const { world, kubectl } = kubectlForTests();

  it('makes, shows, describes and explains them', async () => {
    assert.match(await kubectl('create -f -', manifest), /servicecidr\.networking\.k8s\.io\/more created/);
    await world().until('it is ready', async () =>
      /True/.test(await kubectl('get servicecidr more -o jsonpath={.status.conditions[0].status}')),
    );
    assert.match(await kubectl('get servicecidrs'), /NAME +CIDRS +AGE\nmore +203\.0\.113\.0\/24,fd00:1::\/112 /);
    assert.match(await kubectl('describe servicecidr more'), /CIDRs: +203\.0\.113\.0\/24, fd00:1::\/112[^]*Ready +True/);
    assert.match(await kubectl('create service clusterip web --tcp=80 --clusterip=203.0.113.10'), /service\/web created/);
    assert.match(await kubectl('get ip'), /NAME +PARENTREF\n203\.0\.113\.10 +services\/default\/web\n/);
    assert.match(await kubectl('describe ipaddress 203.0.113.10'), /Parent Reference:[^]*Resource: +services/);
    assert.match(await kubectl('explain servicecidr.spec.cidrs'), /cidrs <\[\]string>/i);
    assert.match(await kubectl('explain ipaddress.spec.parentRef'), /resource\t<string>/);
  });

  it('changes them', async () => {
    const refused = await kubectl('patch servicecidr more --type=merge -p {"spec":{"cidrs":["203.0.114.0/24","fd00:1::/112"]}}');
    assert.match(refused, /spec\.cidrs\[0\]: Invalid value: "203\.0\.114\.0\/24": field is immutable/);
    assert.match(await kubectl('label servicecidr more a=b'), /labeled/);
    assert.match(await kubectl('delete servicecidr more --wait=false'), /"more" deleted/);
    assert.match(await kubectl('get servicecidr more'), /more/);
  });
});
