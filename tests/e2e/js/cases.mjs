// What fhir-kit-client does with a running server, a case a sentence.
//
//     node cases.mjs BASE TOKEN CASE
//
// https://github.com/Vermonster/fhir-kit-client
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { Client } from 'fhir-kit-client';

const LOINC = 'http://loinc.org';
const resourceType = 'Patient';
const [base, token, chosen] = process.argv.slice(2);
const client = new Client({ baseUrl: base, ...(token && { bearerToken: token }) });
const label = `urn:test:${randomUUID()}`;

const patient = (value = '1', members = {}) => ({
  resourceType,
  identifier: [{ system: label, value }],
  ...members,
});
const make = (value, members, options) =>
  client.create({ resourceType, body: patient(value, members), options });
const pulse = (subject, day, code = '8867-4') =>
  client.create({
    resourceType: 'Observation',
    body: {
      resourceType: 'Observation',
      status: 'final',
      code: { coding: [{ system: LOINC, code }] },
      subject: { reference: `Patient/${subject.id}` },
      effectiveDateTime: day,
      valueQuantity: { value: 72.5, unit: '/min' },
    },
  });
const ids = (bundle) => (bundle.entry ?? []).map((entry) => entry.resource.id);
const http = (answer) => Client.httpFor(answer).response;

const cases = {
  'a resource is created, read, updated and deleted': async () => {
    const made = await make('1', { name: [{ family: 'Kit' }] });
    await client.update({ resourceType, id: made.id, body: { ...made, gender: 'female' } });
    const found = await client.read({ resourceType, id: made.id });
    assert.equal(found.gender, 'female');
    assert.equal(http(found).headers.get('etag'), 'W/"2"');
    const first = await client.vread({ resourceType, id: made.id, version: '1' });
    assert.equal(first.gender, undefined);
    await client.delete({ resourceType, id: made.id });
    await assert.rejects(client.read({ resourceType, id: made.id }), (error) => {
      assert.equal(error.response.status, 410);
      return error.response.data.resourceType === 'OperationOutcome';
    });
  },

  'a patch changes a part': async () => {
    const made = await make('1', { gender: 'male' });
    const jsonPatch = [
      { op: 'test', path: '/gender', value: 'male' },
      { op: 'replace', path: '/gender', value: 'female' },
      { op: 'add', path: '/active', value: true },
    ];
    const options = { headers: { 'content-type': 'application/json-patch+json' } };
    await client.patch({ resourceType, id: made.id, jsonPatch, options });
    const found = await client.read({ resourceType, id: made.id });
    assert.deepEqual([found.gender, found.active, found.meta.versionId], ['female', true, '2']);
    await assert.rejects(
      client.patch({ resourceType, id: made.id, jsonPatch, options }),
      (error) => error.response.data.resourceType === 'OperationOutcome',
    );
  },

  'a conditional create is done once': async () => {
    const options = { headers: { 'If-None-Exist': `identifier=${label}|1` } };
    const first = await make('1', {}, options);
    const second = await make('1', {}, options);
    assert.equal(first.id, second.id);
    assert.deepEqual([http(first).status, http(second).status], [201, 200]);
  },

  'a conditional update is of the one match': async () => {
    const searchParams = { identifier: `${label}|1` };
    const first = await client.update({ resourceType, searchParams, body: patient() });
    const body = patient('1', { gender: 'other' });
    const second = await client.update({ resourceType, searchParams, body });
    assert.equal(first.id, second.id);
    assert.equal(second.meta.versionId, '2');
  },

  'an update of an older version is refused': async () => {
    const made = await make();
    await client.update({ resourceType, id: made.id, body: { ...made, gender: 'male' } });
    const options = { headers: { 'If-Match': 'W/"1"' } };
    await assert.rejects(
      client.update({ resourceType, id: made.id, body: { ...made, gender: 'female' }, options }),
      (error) => error.response.status === 412,
    );
  },

  'several parameters narrow a search': async () => {
    const who = await make();
    await pulse(who, '2024-01-01');
    const one = await pulse(who, '2025-01-01');
    await pulse(who, '2025-06-01');
    await pulse(who, '2025-01-01', '29463-7');
    const searchParams = {
      patient: `Patient/${who.id}`,
      code: `${LOINC}|8867-4`,
      date: ['ge2024-06', 'lt2025-03'],
    };
    for (const postSearch of [false, true]) {
      const found = await client.search({
        resourceType: 'Observation',
        searchParams,
        options: { postSearch },
      });
      assert.deepEqual(ids(found), [one.id]);
    }
  },

  'a compartment is searched': async () => {
    const who = await make();
    const made = await pulse(who, '2025-01-01');
    const found = await client.search({
      resourceType: 'Observation',
      compartment: { resourceType, id: who.id },
      searchParams: { code: `${LOINC}|8867-4` },
    });
    assert.deepEqual(ids(found), [made.id]);
  },

  'paging brings each match once': async () => {
    const made = await Promise.all(Array.from({ length: 7 }, (_, number) => make(`${number}`)));
    let page = await client.search({
      resourceType,
      searchParams: { identifier: `${label}|`, _count: 2 },
    });
    const found = [];
    while (page) {
      found.push(...ids(page));
      page = await client.nextPage({ bundle: page });
    }
    assert.equal(found.length, 7);
    assert.deepEqual(found.sort(), made.map((one) => one.id).sort());
  },

  'included resources come along': async () => {
    const who = await make();
    const made = await pulse(who, '2025-01-01');
    const searches = [
      ['Observation', { _id: made.id, _include: 'Observation:subject' }],
      ['Patient', { _id: who.id, _revinclude: 'Observation:subject' }],
    ];
    for (const [type, searchParams] of searches) {
      const found = await client.search({ resourceType: type, searchParams });
      assert.deepEqual(ids(found).sort(), [made.id, who.id].sort());
      const matched = found.entry.filter((entry) => entry.search.mode === 'match');
      assert.deepEqual(matched.map((entry) => entry.resource.resourceType), [type]);
    }
  },

  'a reference is resolved': async () => {
    const who = await make('1', { gender: 'other' });
    const made = await pulse(who, '2025-01-01');
    const found = await client.resolve({ reference: made.subject.reference });
    assert.equal(found.gender, 'other');
  },

  'a transaction is carried out, a batch in its parts': async () => {
    const placeholder = `urn:uuid:${randomUUID()}`;
    const post = { method: 'POST', url: resourceType };
    const entry = [{ fullUrl: placeholder, resource: patient(), request: post }];
    const transaction = { resourceType: 'Bundle', type: 'transaction', entry };
    const done = await client.transaction({ body: transaction });
    assert.equal(done.type, 'transaction-response');
    assert.match(done.entry[0].response.status, /^201/);
    entry.push({ resource: { resourceType, gender: 'nobody' }, request: post });
    await assert.rejects(client.transaction({ body: { ...transaction, entry } }));
    const parts = await client.batch({ body: { ...transaction, type: 'batch', entry } });
    const statuses = parts.entry.map((one) => one.response.status.slice(0, 3));
    assert.deepEqual(statuses, ['201', '400']);
  },

  'histories are read': async () => {
    const made = await make();
    await client.update({ resourceType, id: made.id, body: { ...made, gender: 'male' } });
    const history = await client.history({ resourceType, id: made.id });
    assert.deepEqual(history.entry.map((one) => one.resource.meta.versionId), ['2', '1']);
    for (const wider of [await client.history({ resourceType }), await client.history()]) {
      assert.equal(wider.type, 'history');
      assert.equal(wider.entry[0].resource.id, made.id);
    }
  },

  'a refusal is an error with its OperationOutcome': async () => {
    await assert.rejects(make('1', { gender: 'nobody' }), (error) => {
      assert.equal(error.response.status, 400);
      assert.deepEqual(error.response.data.issue[0].expression, ['Patient.gender']);
      return true;
    });
    await assert.rejects(
      client.search({ resourceType, searchParams: { colour: 'blue' } }),
      (error) => error.response.status === 400,
    );
  },

  'capabilities and where to get a token are read': async () => {
    const found = await client.capabilityStatement();
    assert.equal(found.fhirVersion, '4.0.1');
    if (token) {
      const metadata = await client.smartAuthMetadata();
      assert.equal(metadata.tokenUrl.href, base.replace(/fhir$/, 'auth/token'));
    }
  },

  'an operation is called': async () => {
    const found = await client.operation({ name: '$versions', method: 'GET', input: {} });
    assert.equal(found.resourceType, 'Parameters');
  },
};

if (chosen === undefined) {
  process.stdout.write(JSON.stringify(Object.keys(cases)));
} else {
  await cases[chosen]();
}
