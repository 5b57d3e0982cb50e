# This file is part of Klinik RME.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The demo clinic: data, and the loader that `script/demo` runs."
