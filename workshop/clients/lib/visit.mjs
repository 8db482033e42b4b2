// Opens a page as the person in SIGN_IN_AS.

import { Browser } from './browser.mjs';

const { url, status } = await new Browser(process.env.SIGN_IN_AS).visit(process.argv[2]);
console.log(status, url.split('?')[0]);
