// Google's authentication library for Node.js, unchanged, in a pod whose metadata server the environment names.
'use strict';

const assert = require('node:assert');
const metadata = require('gcp-metadata');
const { GoogleAuth, OAuth2Client } = require('google-auth-library');

const { EMULATOR_URL, ACCOUNT } = process.env;
const AUDIENCE = 'https://acme.com';

async function main() {
  assert.strictEqual(await metadata.isAvailable(), true, 'the metadata server was not found');
  assert.strictEqual(await metadata.project('project-id'), 'acme');
  const auth = new GoogleAuth({ scopes: ['https://www.googleapis.com/auth/cloud-platform'] });
  const { client_email: email } = await auth.getCredentials();
  assert.strictEqual(email, ACCOUNT);
  const token = await auth.getAccessToken();
  const about = await fetch(`${EMULATOR_URL}/tokeninfo?access_token=${token}`).then((it) => it.json());
  assert.strictEqual(about.email, ACCOUNT);
  const client = await auth.getIdTokenClient(AUDIENCE);
  const idToken = await client.idTokenProvider.fetchIdToken(AUDIENCE);
  const certificates = `${EMULATOR_URL}/oauth2/v1/certs`;
  const verifier = new OAuth2Client({ endpoints: { oauth2FederatedSignonPemCertsUrl: certificates } });
  const ticket = await verifier.verifyIdToken({ idToken, audience: AUDIENCE });
  assert.strictEqual(ticket.getPayload().email, ACCOUNT);
  console.log('ok');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
