import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultLab, type LabOptions, planLab } from './config.ts';

describe('planLab', () => {
  it('derives every address from its networks', () => {
    const { hostIp, apiServer, clusterDns, hosts } = planLab({
      ...defaultLab,
      subnet: '10.206.4.0/22',
      serviceCidr: '10.97.0.0/16',
      workers: 9,
    });
    assert.deepEqual(
      [hostIp, apiServer, clusterDns, hosts.at(-1)?.ip],
      ['10.206.4.1', 'https://10.206.4.1:6443', '10.97.0.10', '10.206.4.19'],
    );
  });

  it('divides the subnet among two segments, where the workers take turns and this machine is the router', () => {
    const { networks, hosts, hostIp } = planLab({ ...defaultLab, segments: 2, workers: 3 });
    assert.equal(hostIp, '10.200.0.1');
    assert.deepEqual(networks, [
      { bridge: 'tinker0', gateway: '10.200.0.1', prefixLength: 25 },
      { bridge: 'tinker1', gateway: '10.200.0.129', prefixLength: 25 },
    ]);
    assert.deepEqual(
      hosts.map(({ ip, segment }) => [ip, segment.bridge]),
      [
        ['10.200.0.11', 'tinker0'],
        ['10.200.0.140', 'tinker1'],
        ['10.200.0.13', 'tinker0'],
      ],
    );
  });

  const refused: [Partial<LabOptions>, RegExp][] = [
    [{ workers: 0 }, /^--workers 0: give a number from 1 to 9$/],
    [{ segments: 3 }, /^--segments 3: give 1 or 2$/],
    [{ workers: 10 }, /^--workers 10: give/],
    [{ name: 'Lab' }, /^--name Lab: give 1 to 8 lower-case letters/],
    [{ name: 'muchtoolong' }, /^--name muchtoolong: give/],
    [{ dataDir: 'here' }, /^--data-dir here: give an absolute path$/],
    [{ subnet: '10.200.0.0' }, /^--subnet 10\.200\.0\.0: give an IPv4 network such as/],
    [{ subnet: '10.256.0.0/24' }, /^--subnet 10\.256\.0\.0\/24: give/],
    [{ subnet: '10.200.0.0/25' }, /^--subnet 10\.200\.0\.0\/25: give an IPv4 network such as 10\.200\.0\.0\/24, \/8 to \/24$/],
    [{ subnet: '127.0.0.0/24' }, /^--subnet 127\.0\.0\.0\/24: give/],
    [{ subnet: 'fd00::/64' }, /^--subnet fd00::\/64: give/],
    [{ subnet: '10.200.0.7/24' }, /^--subnet 10\.200\.0\.7\/24: this is an address within 10\.200\.0\.0\/24; give the network$/],
    [{ clusterCidr: '10.200.0.0/16' }, /^--cluster-cidr 10\.200\.0\.0\/16 and --subnet 10\.200\.0\.0\/24 share addresses/],
    [{ serviceCidr: '10.244.0.0/16' }, /^--service-cidr 10\.244\.0\.0\/16 and --cluster-cidr 10\.244\.0\.0\/16 share/],
  ];
  for (const [options, message] of refused) {
    it(`refuses ${JSON.stringify(options)}`, () => assert.throws(() => planLab({ ...defaultLab, ...options }), { message }));
  }
});
