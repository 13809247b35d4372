"""The keys under which the feed tells workers what is no route (`mirror.ROUTE`)."""

ACCEPTING = "accepting"  #: whether they accept
DRAINING = "draining"  #: they end once nobody is left
FINISHING = "finishing"  #: they end what runs, and then themselves
ORDERS = "orders"  #: the operator's, as `orders.saved` describes them
RETIRED = "retired"  #: the ids of those that end once nobody is left, since others take their places
LOGS = "logs"  #: another number: files of logs are to be opened anew
#: Before a route's id: what runs for it ends.
OVER = "over:"
#: Before a route's id: it is to be told once nothing runs for it.
UNUSED = "unused:"
