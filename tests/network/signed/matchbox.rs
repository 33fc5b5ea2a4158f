//! A key and signatures like those of Matchbox: text signatures, integers with leading zeros, a key without subkeys.

use super::Verify;
use crate::common::folder::Folder;

const KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----

xsBNBGlVuQABCADo63AnPxi0a+/b1IsHljOfdN1ebsbY9LFQXaQTknvl4z1hgL33
7gGFyHt1xqkKmFzr7InEiIoNCHL+kX4McFsQZqzZTb2gjWgK3KcmGVYkxObdZ63l
jeKNjngMs7TUwl4TDyJ4F0kdTzvFD0TMHN7lOQZOpNHgfg9ZdkxyELyOGPr4YqLk
HPtUQKFmtIFDCWOfNGF5TqXkeWhOYF/iE0FeN2ueMOIRWsiHibwDT+uj7pxotkE5
+2podsi4ao4aXB225GCAx+BjNdqTE1JZEf21MSrRuTFdVlpy6VPQ1hM+wp4yRS5t
CA5vWJgjfPBt1ziW4OLJTUmXXlt+6kDF3QpFABEBAAHNPVByb3Zpc2lvbmVyIHNw
ZWMgdmVjdG9yIChkbyBub3QgdXNlKSA8dmVjdG9yQGV4YW1wbGUuaW52YWxpZD7C
wF8EEwEIABMFAmlVuQAJEGr3XIRxhLlWAhsDAAAIlQgAGy2coOUl3kb4R6wLntP1
Epfj0OE35Q18vz2X+qWwbWoxZNrSNJ4RgWTSQwZEKwc7AOWR65/UcbPylKOQAju/
XBtu/75e61l6J2jDDzd1mppvsiyWVqtVe3aMYcgVKc1t//V/rKfOScQJGeWdV53x
M4ib7bD/TAmav5TyA13fHy+tyI1AeZpse8k+eT1b19paixiAEaSmz9uEJcf1RB1/
RETgFDGlRsK573CoVHbU465SxQxJW7DZtsuLH9BV3LJ1iZPgTYG3HLixlOYpEP6y
lhp7nejaUkzkmRBENpsYqmTC/nqkUKGrlOJiXlwlRSt9kFOtBot9rik+Id37Jrhs
pQ==
=7uBc
-----END PGP PUBLIC KEY BLOCK-----
";

const MENU: &str = "#!ipxe\n\
kernel /vmlinuz console=ttyS0\n\
initrd /initrd.img\n\
boot\n";

const MENU_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----

wsBcBAEBCAAQBQJpVbk8CRBq91yEcYS5VgAAXuUIAMLryPjD5GNfQx+y4d86gptl
xS4wcXBX2FmPh2yaLcgUy14mrCcu8sJQHLYVKI7omIRsGmafSwUlD7XE8gXtdlox
DDK9UzlbiCzq+m/Bk803os+9GvoWut5hl9OGob8oixSjnukTAzxNAL6UaiUyHNn3
uElLU98pmPNL6AzJ9D9vMNz/THHVxOhrC8ruyxeFQbvAkdN8ykYLFQ5eDZYEPXvf
Q48cxmUgIiQktHS7roHNM//9yeTKYzTR40aB036oFzkyO1723inToFino5hzl3hS
aKN6ioo6Y1km4PsoVyjjOb3VB29QGA9bOWF/NkJEkzbM+WF1PML2BxN5CAKut5A=
=QeLY
-----END PGP SIGNATURE-----
";

const CONFIG: &str = "{\"ignition\":{\"version\":\"3.4.0\"}}";

const CONFIG_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----

wsBcBAEBCAAQBQJpVbk8CRBq91yEcYS5VgAAaSkIADoiypzIBkqPDu9QNSJcAi7I
Ak/YI+QwweG0HHrppteoNxp7qzxTexTDk6iqlIpNrJNzjRO1TLGJEqd5UPF+23Ka
OyH/xvQYphXHZ0g6z0RQQCB8MYoM5s4Gv9FM+fyIqJ66LOiqjFHPU++dfhqX71xF
EOiqbsrm/22yXSsSJL/jVqSfmY5mcCXUJbBzG3DJQBgXrcCyikmVRuNtqp5XHnPD
qa/TKt0Qtja7tmPpMRrrMEoGWYFDvk809EeFUnhoU3tFlwvxsRpwEeWkuyqVYjo/
IISRZx01n/bzzKlrsBSKK/O+5UEhf7phKGKggtOoG/5dgauIMXiOfXk7wNkux6k=
=+amb
-----END PGP SIGNATURE-----
";

#[test]
fn its_signatures_are_accepted() {
    let folder = Folder::new();
    folder.put("keys/matchbox", KEY);
    folder.put("ignition", CONFIG);
    folder.put("ignition.asc", CONFIG_SIGNATURE);
    folder
        .verify(&["ignition"])
        .is(0, &["signed by OpenPGP key", "6af75c847184b956"]);
    folder.put("ignition.asc", MENU_SIGNATURE);
    folder
        .verify(&["ignition"])
        .is(1, &["they or the signature were changed"]);
    // Line ends are normalized before signing. The text is an iPXE script, which has no references.
    for menu in [MENU.to_owned(), MENU.replace('\n', "\r\n")] {
        folder.put("menu", menu);
        folder.put("menu.asc", MENU_SIGNATURE);
        folder
            .verify(&["menu"])
            .is(0, &["menu: signed by OpenPGP key", "iPXE"]);
    }
    folder.put("menu", MENU.trim_end());
    folder
        .verify(&["menu"])
        .is(1, &["they or the signature were changed"]);
}
